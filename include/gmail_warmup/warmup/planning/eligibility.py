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
class Obstacle:
    """One reason: a code, what is the case in words, and what to do about it."""

    code: str
    sentence: str
    step: str = ""

    def __str__(self) -> str:
        """Return it as a log shows it."""
        return f"{self.sentence} {self.step}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What stands in the way of many mailboxes at once, read once for all of them.

    Attributes:
        now: the database's time (aware).
        stopped: the halt that goes on, if one does.
        domains: domains that are not sent from, with the reason.
    """

    now: datetime
    stopped: kill_switch.Stopped | None = None
    domains: Mapping[str, Obstacle] = field(default_factory=dict)


def circumstances(connection: sa.Connection) -> Circumstances:
    """Return the circumstances at this moment."""
    now, stopped = kill_switch.look(connection)
    closed = dns_gate.bad_domains(connection)
    domains = {name: Obstacle(code=gate.code, sentence=gate.sentence, step=gate.step) for name, gate in closed.items()}
    return Circumstances(now=now, stopped=stopped, domains=domains)


def why_not_work(mailbox: MailboxRecord, at: Circumstances) -> Obstacle | None:
    """Return why a task must leave this mailbox alone, whatever it wants to do there, or None."""
    if at.stopped:
        return Obstacle(code="stopped", sentence=str(at.stopped))
    if mailbox.paused_at is not None:
        why = mailbox.pause_reason or "no reason given"
        return Obstacle(code="paused_by_person", sentence=f"{mailbox.address} is paused: {why}.")
    if not mailbox.works:
        state = f"{mailbox.address} is {mailbox.state.value} ({mailbox.reason})"
        code = mailbox.reason or mailbox.state.value
        return Obstacle(code=code, sentence=f"{state}; nothing is tried until it is repaired.")
    return None


def why_not_send(mailbox: MailboxRecord, at: Circumstances) -> Obstacle | None:
    """Return why nothing may be sent from this mailbox now, or None; the plan may have nothing due all the same.

    A pause by the mailbox's health has the code of its reason, such as ``spam_too_much``; one by a person has
    ``paused_by_person``.
    """
    if obstacle := why_not_work(mailbox, at):
        return obstacle
    if mailbox.deferred_until is not None and mailbox.deferred_until > at.now:
        return of_reason(mailbox, mailbox.deferred_reason or "sending_limit")
    if mailbox.domain in at.domains:
        return at.domains[mailbox.domain]
    standing = monitor.standing_of(mailbox)
    if mailbox.kind is MailboxKind.WARMUP and standing.rests(at.now.astimezone(mailbox.zone).date()):
        return of_reason(mailbox, standing.reason or "spam_too_much")
    return None


def of_reason(mailbox: MailboxRecord, code: str) -> Obstacle:
    """Return the obstacle of a reason code for a mailbox."""
    reason = WARMUP_REASONS[code]
    return Obstacle(code=code, sentence=f"{mailbox.address}: {reason.sentence}", step=reason.step_for(mailbox.address))
