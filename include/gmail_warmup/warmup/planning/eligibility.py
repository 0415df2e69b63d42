"""Decide whether a task may act on, or send from, a mailbox, and why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.core.enums import Action, GrantState, MailboxKind
from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.domains import gate
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS
from gmail_warmup.warmup.planning import kill_switch

IS_USABLE = sa.and_(
    Mailbox.paused_at.is_(None),
    sa.or_(
        OAuthGrant.state == GrantState.ACTIVE,
        sa.and_(
            OAuthGrant.state == GrantState.SUSPECT,
            sa.or_(OAuthGrant.access_expires_at > sa.func.now(), OAuthGrant.next_probe_at <= sa.func.now()),
        ),
    ),
)
"""Condition of the mailboxes that a task may use. No task or token request is made for a flagged or paused one."""

MAY_CALL_GMAIL = sa.or_(Mailbox.gmail_retry_at.is_(None), Mailbox.gmail_retry_at <= sa.func.now())
"""Condition of the mailboxes whose waiting time, as named by Gmail, is over. A task for any other is planned later."""

IS_NOT_DEFERRED = sa.or_(Mailbox.deferred_until.is_(None), Mailbox.deferred_until <= sa.func.now())
CAN_SEND = sa.and_(IS_NOT_DEFERRED, Mailbox.domain.not_in(gate.GATED_DOMAINS))
"""Condition of the mailboxes that may send now, in addition to ``IS_USABLE``."""


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """One reason not to act: its code, its message and what to do about it."""

    code: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return message and remedy as one log line."""
        return f"{self.message} {self.remedy}".rstrip()


@dataclass(frozen=True, kw_only=True)
class GlobalBlockers:
    """Blockers that apply to many mailboxes, loaded once for all of them.

    Attributes:
        now: the database's time (aware).
        active_halt: the active halt, or None.
        gated_domains: the domains that must not send, with the blocker of each.
    """

    now: datetime
    active_halt: kill_switch.HaltRecord | None = None
    gated_domains: Mapping[str, Blocker] = field(default_factory=dict)


def load_blockers(connection: sa.Connection) -> GlobalBlockers:
    """Load the active halt and the domains that must not send."""
    now, halt = kill_switch.get_time_and_halt(connection)
    gated = gate.load_gated_domains(connection)
    domains = {
        item.domain: Blocker(code=item.code, message=item.message, remedy=item.remedy) for item in gated.values()
    }
    return GlobalBlockers(now=now, active_halt=halt, gated_domains=domains)


def find_work_blocker(mailbox: MailboxRecord, at: GlobalBlockers) -> Blocker | None:
    """Return why no task may use this mailbox, whatever the action, or None."""
    if at.active_halt:
        return Blocker(code="stopped", message=str(at.active_halt))
    if mailbox.invalid:
        first = mailbox.invalid[0]
        rule = f"{mailbox.address} has a stored value that breaks a rule: {first.column}: {first.rule}."
        return Blocker(code="invalid_row", message=rule, remedy=first.remedy)
    if mailbox.paused_at is not None:
        reason = mailbox.pause_reason or "no reason given"
        end = f" until {mailbox.paused_until}" if mailbox.paused_until else ""
        return Blocker(code="paused_by_person", message=f"{mailbox.address} is paused{end}: {reason}.")
    if not mailbox.is_usable:
        state = f"{mailbox.address} is {mailbox.state.value} ({mailbox.reason})"
        code = mailbox.reason or mailbox.state.value
        return Blocker(code=code, message=f"{state}; no task uses it until it is repaired.")
    if mailbox.gmail_retry_at is not None and mailbox.gmail_retry_at > at.now:
        return build_blocker(mailbox, "gmail_retry_later")
    return None


def find_send_blocker(mailbox: MailboxRecord, at: GlobalBlockers) -> Blocker | None:
    """Return why nothing may be sent from this mailbox now, or None. The plan may still have nothing due.

    The code of a pause by mailbox health is its reason code, such as ``spam_too_much``; that of a pause by a person is
    ``paused_by_person``.
    """
    if blocker := find_work_blocker(mailbox, at):
        return blocker
    if mailbox.deferred_until is not None and mailbox.deferred_until > at.now:
        return build_blocker(mailbox, mailbox.deferred_reason or "sending_limit")
    if mailbox.domain in at.gated_domains:
        return at.gated_domains[mailbox.domain]
    health = monitor.to_health_status(mailbox)
    if mailbox.kind is MailboxKind.WARMUP and health.is_resting(at.now.astimezone(mailbox.zone).date()):
        return build_blocker(mailbox, health.reason or "spam_too_much")
    return None


SENDING_ACTIONS = frozenset({Action.SEND, Action.REPLY})
"""The actions that send a mail."""


def find_blocker(action: Action, mailbox: MailboxRecord, at: GlobalBlockers) -> Blocker | None:
    """Return why a task must not perform this action in this mailbox now, or None."""
    find = find_send_blocker if action in SENDING_ACTIONS else find_work_blocker
    return find(mailbox, at)


def build_blocker(mailbox: MailboxRecord, code: str) -> Blocker:
    """Return the blocker of a reason code for a mailbox."""
    reason = WARMUP_REASONS.look_up(code, "sending_limit")
    return Blocker(code=code, message=f"{mailbox.address}: {reason.message}", remedy=reason.remedy_for(mailbox.address))
