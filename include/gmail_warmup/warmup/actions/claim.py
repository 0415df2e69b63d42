"""The claim: one row in the ledger for the next due slot, by which a mail comes to be, and at most once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.log_context import event
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.session import Desk, brief_of
from gmail_warmup.warmup.content.templates import Kind
from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import daily_plan, next_send
from gmail_warmup.warmup.planning.daily_plan import History
from gmail_warmup.warmup.planning.eligibility import of_reason, why_not_send
from gmail_warmup.warmup.planning.partners import find_partner
from gmail_warmup.warmup.planning.slots import Slot

log = logging.getLogger(__name__)

ASK_POOL_AGAIN = timedelta(minutes=30)
"""After so long a sender without a partner looks again: caps count the last 24 hours, so that room comes by itself."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claimed row, and whom its mail goes to."""

    entry: Entry
    recipient: MailboxRecord


def claim_next(desk: Desk) -> Claim | None:
    """Claim the next due slot for a partner, or return None when nothing (more) is due.

    The sender's row is locked meanwhile, so volume and gap hold whatever else runs; the partner's row too, so that
    its cap holds. The hint of the plan is brought up to date in the same transaction.

    Raises:
        StoppedError: everything was stopped.
        MailboxBusyError: another task holds the mailbox now.
    """
    with desk.engine.begin() as connection:
        desk.still_held(connection)  # an update, and so the lock
        monitor.check_up(connection, desk.mailbox.id)
        mailbox, at = mailbox_lease.by_id(connection, desk.mailbox.id)
        if obstacle := why_not_send(mailbox, at):
            event(log, logging.INFO, "%s", obstacle, reason_code=obstacle.code)
            next_send.forget(connection, mailbox.id)
            return None
        history = daily_plan.histories(connection, [mailbox.id])[mailbox.id]
        return _claim(connection, desk, mailbox, history, at.now)


def _claim(
    connection: sa.Connection, desk: Desk, mailbox: MailboxRecord, history: History, now: datetime
) -> Claim | None:
    slots = daily_plan.send_due(mailbox, history, now=now, settings=desk.settings)
    claim = None
    if slots:
        claim = _take(connection, desk, mailbox, history, slots[0], now)
        if claim is None:
            next_send.remember(connection, {mailbox.id: now + desk.scaled(ASK_POOL_AGAIN)})
            return None
        history = replace(history, taken=(*history.taken, slots[0].number), last_claim=now)
    next_send.remember(
        connection, {mailbox.id: daily_plan.next_send(mailbox, history, now=now, settings=desk.settings)}
    )
    return claim


def _take(
    connection: sa.Connection, desk: Desk, mailbox: MailboxRecord, history: History, slot: Slot, now: datetime
) -> Claim | None:
    volume = daily_plan.volume_today(mailbox, history, now=now, settings=desk.settings)
    local_date = now.astimezone(mailbox.zone).date()
    ledger.open_day(
        connection, mailbox.id, local_date, ramp=volume.ramp, planned=volume.planned, lowered_by=volume.lowered_by
    )
    seed = f"{mailbox.address}:{slot.due_at.isoformat()}"
    partner = find_partner(connection, mailbox, now=now, settings=desk.settings, seed=seed)
    if partner is None:
        event(log, logging.WARNING, "%s", of_reason(mailbox, "pool_too_small"), reason_code="pool_too_small")
        ledger.lowered(connection, mailbox.id, local_date, "pool_too_small")
        desk.counts["without_partner"] += 1
        return None
    token = ledger.new_token()
    brief = brief_of(mailbox, partner, kind=Kind.FIRST, seed=token, thread=token)
    entry = ledger.claim(
        connection,
        token=token,
        sender_id=mailbox.id,
        recipient_id=partner.id,
        local_date=local_date,
        slot=slot.number,
        due_at=slot.due_at,
        subject=desk.writer.subject(brief),
    )
    return Claim(entry=entry, recipient=partner) if entry else None
