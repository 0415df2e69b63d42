"""The claim: one row in the ledger for the next due slot, by which a mail comes to be, and at most once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.log_context import log_event
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.session import MailboxSession, build_mail_context
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import daily_plan, next_send
from gmail_warmup.warmup.planning.daily_plan import SendingHistory
from gmail_warmup.warmup.planning.eligibility import build_blocker, find_send_blocker
from gmail_warmup.warmup.planning.partners import find_partner
from gmail_warmup.warmup.planning.slots import Slot

log = logging.getLogger(__name__)

POOL_RETRY_DELAY = timedelta(minutes=30)
"""After so long a sender without a partner looks again: caps count the last 24 hours, so that room comes by itself."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claimed row, and whom its mail goes to."""

    entry: Entry
    recipient: MailboxRecord


def claim_next_slot(desk: MailboxSession) -> Claim | None:
    """Claim the next due slot for a partner, or return None when nothing (more) is due.

    The sender's row is locked meanwhile, so volume and gap hold whatever else runs; the partner's row too, so that
    its cap holds. The hint of the plan is brought up to date in the same transaction.

    Raises:
        StoppedError: everything was stopped.
        MailboxBusyError: another task holds the mailbox now.
    """
    with desk.engine.begin() as connection:
        desk.extend_lease_in(connection)  # an update, and so the lock
        monitor.update_health_band(connection, desk.mailbox.id)
        mailbox, at = mailbox_lease.load_by_id(connection, desk.mailbox.id)
        if obstacle := find_send_blocker(mailbox, at):
            log_event(log, logging.INFO, "%s", obstacle, reason_code=obstacle.code)
            next_send.clear_hint(connection, mailbox.id)
            return None
        history = daily_plan.load_histories(connection, [mailbox.id])[mailbox.id]
        return _claim_first_due(connection, desk, mailbox, history, at.now)


def _claim_first_due(
    connection: sa.Connection, desk: MailboxSession, mailbox: MailboxRecord, history: SendingHistory, now: datetime
) -> Claim | None:
    slots = daily_plan.find_due_slots(mailbox, history, now=now, settings=desk.settings)
    claim = None
    if slots:
        claim = _claim_slot(connection, desk, mailbox, history, slots[0], now)
        if claim is None:
            next_send.store_hints(connection, {mailbox.id: now + desk.scale_delay(POOL_RETRY_DELAY)})
            return None
        history = replace(history, claimed_slots=(*history.claimed_slots, slots[0].number), last_claim=now)
    next_send.store_hints(
        connection, {mailbox.id: daily_plan.find_next_send_time(mailbox, history, now=now, settings=desk.settings)}
    )
    return claim


def _claim_slot(
    connection: sa.Connection,
    desk: MailboxSession,
    mailbox: MailboxRecord,
    history: SendingHistory,
    slot: Slot,
    now: datetime,
) -> Claim | None:
    volume = daily_plan.compute_todays_volume(mailbox, history, now=now, settings=desk.settings)
    local_date = now.astimezone(mailbox.zone).date()
    ledger.fix_daily_volume(
        connection,
        mailbox.id,
        local_date,
        ramp=volume.ramp,
        planned=volume.planned,
        reduction_reason=volume.reduction_reason,
    )
    seed = f"{mailbox.address}:{slot.due_at.isoformat()}"
    partner = find_partner(connection, mailbox, now=now, settings=desk.settings, seed=seed)
    if partner is None:
        log_event(log, logging.WARNING, "%s", build_blocker(mailbox, "pool_too_small"), reason_code="pool_too_small")
        ledger.record_reduction(connection, mailbox.id, local_date, "pool_too_small")
        desk.counts["without_partner"] += 1
        return None
    token = ledger.generate_token()
    brief = build_mail_context(mailbox, partner, kind=MailKind.FIRST, seed=token, thread=token)
    entry = ledger.claim_entry(
        connection,
        token=token,
        sender_id=mailbox.id,
        recipient_id=partner.id,
        local_date=local_date,
        slot=slot.number,
        due_at=slot.due_at,
        subject=desk.writer.write_subject(brief),
    )
    return Claim(entry=entry, recipient=partner) if entry else None
