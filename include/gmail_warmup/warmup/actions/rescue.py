"""Rescue: read where Gmail placed new mails, decide what follows, move warmup mail out of spam, and open it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db.engine import autocommit, retry_conflict, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Placement
from gmail_warmup.gmail.authentication_results import MethodReport, is_unauthenticated, read_authentication
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.gmail.models import Message
from gmail_warmup.warmup.actions.bounces import process_bounces
from gmail_warmup.warmup.actions.find_mail import classify_placement, find_received_mail
from gmail_warmup.warmup.actions.read import read_mails
from gmail_warmup.warmup.actions.session import MailboxSession, isolate_mail
from gmail_warmup.warmup.health.outcomes import record_outcome
from gmail_warmup.warmup.ledger import daily_counters, rate_decisions
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.authentication import build_mail_columns, record_authentication
from gmail_warmup.warmup.ledger.daily_counters import Outcome, get_placement_counter
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.ledger.rate_decisions import RateState
from gmail_warmup.warmup.planning import engagement
from gmail_warmup.warmup.planning.schedules import Schedule


def rescue_mails(session: MailboxSession) -> None:
    """Record the placement of every due mail, rescue mail from spam, and open what is opened, all in one visit."""
    with autocommit(session.engine) as connection:
        unplaced = ledger.find_pending_for_recipient(connection, session.mailbox.id, ledger.UNPLACED)
    for entry in session.while_permitted(unplaced):
        with isolate_mail(session, entry):
            _find_placement(session, entry)
    with autocommit(session.engine) as connection:
        in_spam = ledger.find_pending_for_recipient(connection, session.mailbox.id, ledger.UNRESCUED)
    for entry in session.while_permitted(session.defer_at_night(in_spam, L.rescue_due_at)):
        with isolate_mail(session, entry):
            _rescue_mail(session, entry)
    read_mails(session)
    process_bounces(session)


def _find_placement(session: MailboxSession, entry: Entry) -> None:
    message = find_received_mail(session, entry)
    if message is not None:
        _record_placement(session, entry, message)


def _record_placement(session: MailboxSession, entry: Entry, message: Message) -> None:
    placement = classify_placement(message.labels)
    reports = read_authentication(message.authentication_results, message.headers.get("from", ""))
    _store_placement(session, entry, message, placement, reports)
    session.placements[placement] += 1
    if is_unauthenticated(reports):
        session.counts[MailEvent.UNAUTHENTICATED] += 1


@retry_conflict
def _store_placement(
    session: MailboxSession,
    entry: Entry,
    message: Message,
    placement: Placement,
    reports: Sequence[MethodReport],
) -> None:
    """Store the placement together with everything that is decided from it, in one transaction."""
    with write_transaction(session.engine) as connection:
        rates = rate_decisions.load_rate_state(connection, entry.sender_id, session.settings)  # locks its row
        is_opened = engagement.is_next_selected(rate=rates.schedule.open_rate, done=rates.opened, total=rates.placed)
        schedule = _schedule_recipient_actions(session, entry, placement, rates, is_opened=is_opened)
        marks = _choose_marks(entry, rates.schedule) if schedule["read_due_at"] else {}
        is_first_record = ledger.update_entry(
            connection,
            entry.id,
            L.placement.is_(None),
            placement=placement,
            placed_at=ledger.NOW,
            recipient_gmail_id=message.id,
            recipient_thread_id=message.thread_id,
            **build_mail_columns(reports),
            **schedule,
            **marks,
        )
        if is_first_record:
            opened = int(schedule["read_due_at"] is not None)
            rate_decisions.record_rate_decision(connection, entry, placed=1, opened=opened)
            record_outcome(connection, entry, get_placement_counter(placement))
            record_authentication(connection, entry.sender_id, reports)


def _schedule_recipient_actions(
    session: MailboxSession, entry: Entry, placement: Placement, rates: RateState, *, is_opened: bool
) -> dict[str, datetime | None]:
    """Return the due times of the recipient's actions, which follow in the same visit.

    A mail in the trash, or one in spam that is not rescued, has none. One that is not opened is archived immediately.
    """
    visit_at = session.find_visit_time(rates.now)
    due: dict[str, datetime | None] = dict.fromkeys(("rescue_due_at", "read_due_at", "mark_due_at"))
    if placement is Placement.SPAM:
        if not engagement.is_rescued(entry.token, rate=rates.schedule.rescue_rate):
            return due
        due["rescue_due_at"] = visit_at
    if placement is not Placement.TRASH and is_opened:
        due["read_due_at"] = visit_at
    elif placement not in (Placement.TRASH, Placement.SPAM):
        due["mark_due_at"] = rates.now
    return due


def _choose_marks(entry: Entry, schedule: Schedule) -> dict[str, bool]:
    """Return the marks that a mail gets when it is opened, by the schedule of its sender; most mails get none."""
    return {
        "important": engagement.is_marked_important(entry.token, rate=schedule.important_rate),
        "starred": engagement.is_starred(entry.token, rate=schedule.star_rate),
    }


def _rescue_mail(session: MailboxSession, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    try:
        session.label_message(entry.recipient_gmail_id, add=("INBOX",), remove=("SPAM",))
    except NotFoundError:
        _skip_deleted_mail(session, entry)
        return
    if _store_rescued(session, entry):
        session.counts[MailEvent.RESCUED] += 1


@retry_conflict
def _store_rescued(session: MailboxSession, entry: Entry) -> bool:
    """Record a rescue, once; return whether this call did."""
    values: dict[str, Any] = {"rescued_at": ledger.NOW}
    if entry.read_due_at is None:
        values["mark_due_at"] = ledger.NOW  # it is not opened, so it leaves the inbox again
    with write_transaction(session.engine) as connection:
        daily_counters.lock_sender(connection, entry.sender_id)
        if is_new := ledger.update_entry(connection, entry.id, L.rescued_at.is_(None), **values):
            record_outcome(connection, entry, Outcome.RESCUED)
    return is_new


@retry_conflict
def _skip_deleted_mail(session: MailboxSession, entry: Entry) -> None:
    """Cancel the actions on a mail that a person deleted."""
    with write_transaction(session.engine) as connection:
        daily_counters.lock_sender(connection, entry.sender_id)
        is_open = ledger.update_entry(
            connection, entry.id, L.rescued_at.is_(None), rescue_due_at=None, read_due_at=None
        )
        if is_open and entry.read_due_at is not None:
            rate_decisions.record_rate_decision(connection, entry, opened=-1)
