"""Claim: choose the next due slot and its partner, and insert the ledger row by which a mail exists at most once."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.mailboxes.schedules.send_times import clear_send_times
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.delivery import claim_mail
from gmail_warmup.warmup.actions.outgoing import Delivery
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.ledger import daily_counters
from gmail_warmup.warmup.planning import daily_plan, next_send
from gmail_warmup.warmup.planning.daily_plan import SendingHistory
from gmail_warmup.warmup.planning.eligibility import build_blocker, find_send_blocker
from gmail_warmup.warmup.planning.partners import find_partner
from gmail_warmup.warmup.planning.slots import Slot

log = logging.getLogger(__name__)

POOL_RETRY_DELAY = timedelta(minutes=30)
"""Time until a sender without a partner tries again; caps count the last 24 hours, so capacity returns by then."""


def claim_next_slot(session: MailboxSession) -> Delivery | None:
    """Claim the next due slot for a partner, or return None if nothing (more) is due.

    The transaction locks the sender's row, so that volume and gap hold under concurrency, and then the partner's row,
    so that its cap holds. It also updates the plan's hint of the next send time.

    Raises:
        StoppedError: an operator stopped everything.
        MailboxBlockedError: the mailbox may not send any more.
        MailboxBusyError: another task holds the mailbox now.
    """
    claimed = _claim_in_transaction(session)
    if isinstance(claimed, MailEvent):
        session.counts[claimed] += 1
        return None
    return claimed


@retry_conflict
def _claim_in_transaction(session: MailboxSession) -> Delivery | MailEvent | None:
    """Claim the next due slot; return the mail, or the event to count, or None if nothing is due."""
    with write_transaction(session.engine) as connection:
        session.extend_lease_in(connection)  # also locks the sender's row, which the health monitor requires
        monitor.update_health_band(connection, session.mailbox.id)
        mailbox, blockers = mailbox_lease.load_by_id(connection, session.mailbox.id)
        if mailbox.kind is not MailboxKind.WARMUP:
            return None  # it has joined the pool while this task runs
        if blocker := find_send_blocker(mailbox, blockers):
            log_event(log, logging.INFO, "%s", blocker, reason_code=blocker.code)
            clear_send_times(connection, [mailbox.id])
            return None
        history = daily_plan.load_histories(connection, [mailbox.id])[mailbox.id]
        return _claim_first_due(connection, session, mailbox, history, blockers.now)


def _claim_first_due(
    connection: sa.Connection, session: MailboxSession, mailbox: MailboxRecord, history: SendingHistory, now: datetime
) -> Delivery | MailEvent | None:
    slots = daily_plan.find_due_slots(mailbox, history, now=now, settings=session.settings)
    mail = None
    if slots:
        mail = _claim_slot(connection, session, mailbox, history, slots[0], now)
        if not isinstance(mail, Delivery):
            next_send.store_hints(connection, {mailbox.id: now + session.scale_delay(POOL_RETRY_DELAY)})
            return mail
        history = replace(history, claimed_slots=(*history.claimed_slots, slots[0].number), last_claim=now)
    next_send_at = daily_plan.find_next_send_time(mailbox, history, now=now, settings=session.settings)
    next_send.store_hints(connection, {mailbox.id: next_send_at})
    return mail


def _claim_slot(
    connection: sa.Connection,
    session: MailboxSession,
    mailbox: MailboxRecord,
    history: SendingHistory,
    slot: Slot,
    now: datetime,
) -> Delivery | MailEvent | None:
    local_date = now.astimezone(mailbox.zone).date()
    volume = daily_plan.compute_todays_volume(mailbox, history, now=now, settings=session.settings)
    daily_counters.fix_daily_volume(
        connection,
        mailbox.id,
        local_date,
        ramp=volume.ramp,
        planned=volume.planned,
        reduction_reason=volume.reduction_reason,
    )
    seed = f"{mailbox.address}:{slot.due_at.isoformat()}"
    partner = find_partner(connection, mailbox, now=now, settings=session.settings, seed=seed)
    if partner is None:
        _record_missing_partner(connection, session, local_date)
        return MailEvent.WITHOUT_PARTNER
    return claim_mail(connection, session, partner, due_at=slot.due_at, local_date=local_date, slot=slot.number)


def _record_missing_partner(connection: sa.Connection, session: MailboxSession, local_date: date) -> None:
    blocker = build_blocker(session.mailbox, "pool_too_small")
    log_event(log, logging.WARNING, "%s", blocker, reason_code=blocker.code)
    daily_counters.record_reduction(connection, session.mailbox.id, local_date, blocker.code)
