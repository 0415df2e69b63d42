"""Obstacles: why nothing is done in a mailbox, or nothing sent from it; the one place that knows all such reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.core.enums import MailboxKind
from gmail_warmup.domains import gate as dns_gate
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS
from gmail_warmup.warmup.planning import kill_switch


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """One reason: a code, what is the case in words, and what to do about it."""

    code: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return it as a log shows it."""
        return f"{self.message} {self.remedy}".rstrip()


@dataclass(frozen=True, kw_only=True)
class GlobalBlockers:
    """What stands in the way of many mailboxes at once, read once for all of them.

    Attributes:
        now: the database's time (aware).
        stopped: the halt that goes on, if one does.
        domains: domains that are not sent from, with the reason.
    """

    now: datetime
    active_halt: kill_switch.HaltRecord | None = None
    gated_domains: Mapping[str, Blocker] = field(default_factory=dict)


def load_blockers(connection: sa.Connection) -> GlobalBlockers:
    """Return the circumstances at this moment."""
    now, stopped = kill_switch.get_time_and_halt(connection)
    closed = dns_gate.load_gated_domains(connection)
    domains = {name: Blocker(code=gate.code, message=gate.sentence, remedy=gate.step) for name, gate in closed.items()}
    return GlobalBlockers(now=now, active_halt=stopped, gated_domains=domains)


def find_work_blocker(mailbox: MailboxRecord, at: GlobalBlockers) -> Blocker | None:
    """Return why a task must leave this mailbox alone, whatever it wants to do there, or None."""
    if at.active_halt:
        return Blocker(code="stopped", message=str(at.active_halt))
    if mailbox.paused_at is not None:
        why = mailbox.pause_reason or "no reason given"
        return Blocker(code="paused_by_person", message=f"{mailbox.address} is paused: {why}.")
    if not mailbox.is_usable:
        state = f"{mailbox.address} is {mailbox.state.value} ({mailbox.reason})"
        code = mailbox.reason or mailbox.state.value
        return Blocker(code=code, message=f"{state}; nothing is tried until it is repaired.")
    return None


def find_send_blocker(mailbox: MailboxRecord, at: GlobalBlockers) -> Blocker | None:
    """Return why nothing may be sent from this mailbox now, or None; the plan may have nothing due all the same.

    A pause by the mailbox's health has the code of its reason, such as ``spam_too_much``; one by a person has
    ``paused_by_person``.
    """
    if obstacle := find_work_blocker(mailbox, at):
        return obstacle
    if mailbox.deferred_until is not None and mailbox.deferred_until > at.now:
        return build_blocker(mailbox, mailbox.deferred_reason or "sending_limit")
    if mailbox.domain in at.gated_domains:
        return at.gated_domains[mailbox.domain]
    standing = monitor.to_health_status(mailbox)
    if mailbox.kind is MailboxKind.WARMUP and standing.is_resting(at.now.astimezone(mailbox.zone).date()):
        return build_blocker(mailbox, standing.reason or "spam_too_much")
    return None


def build_blocker(mailbox: MailboxRecord, code: str) -> Blocker:
    """Return the obstacle of a reason code for a mailbox."""
    reason = WARMUP_REASONS[code]
    return Blocker(code=code, message=f"{mailbox.address}: {reason.message}", remedy=reason.remedy_for(mailbox.address))
