"""Read: open the mails whose read time has come, mark some of them, and decide which are answered and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db.engine import autocommit, retry_conflict, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.warmup.actions.session import MailboxSession, isolate_mail
from gmail_warmup.warmup.health.outcomes import record_outcome
from gmail_warmup.warmup.ledger import daily_counters, rate_decisions
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.daily_counters import Outcome
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.ledger.rate_decisions import RateState
from gmail_warmup.warmup.planning import engagement


def read_mails(session: MailboxSession) -> None:
    """Mark the due mails as read and archive them, then mark those that were read a while ago."""
    with autocommit(session.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, session.mailbox.id, ledger.UNREAD)
    for entry in session.while_permitted(session.defer_at_night(entries, L.read_due_at)):
        with isolate_mail(session, entry):
            _read_mail(session, entry)
    mark_mails(session)


def mark_mails(session: MailboxSession) -> None:
    """Add the chosen marks (important, star) to the due mails and archive them."""
    with autocommit(session.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, session.mailbox.id, ledger.UNMARKED)
    for entry in session.while_permitted(entries):
        with isolate_mail(session, entry):
            _mark_mail(session, entry)


def _mark_mail(session: MailboxSession, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    marks: dict[str, MailEvent] = {}
    if entry.important:
        marks["IMPORTANT"] = MailEvent.MARKED_IMPORTANT
    if entry.starred:
        marks["STARRED"] = MailEvent.MARKED_STARRED
    try:
        session.label_message(entry.recipient_gmail_id, add=tuple(marks), remove=("INBOX",))
    except NotFoundError:
        marks = {}  # a person deleted it
    with autocommit(session.engine) as connection:
        ledger.update_entry(connection, entry.id, marked_at=ledger.NOW)
    session.counts.update(marks.values())


def _read_mail(session: MailboxSession, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    try:
        session.label_message(entry.recipient_gmail_id, remove=("UNREAD", "INBOX"))
    except NotFoundError:
        _skip_deleted_mail(session, entry)
        return
    session.counts[MailEvent.READ] += 1
    _store_read(session, entry)


@retry_conflict
def _store_read(session: MailboxSession, entry: Entry) -> None:
    with write_transaction(session.engine) as connection:
        rates = rate_decisions.load_rate_state(connection, entry.sender_id, session.settings)  # locks its row
        reply_due_at = _schedule_reply(session, entry, rates)
        marks = _schedule_marks(session, entry, rates)
        values = marks | {"read_at": ledger.NOW, "reply_due_at": reply_due_at}
        if ledger.update_entry(connection, entry.id, L.read_at.is_(None), **values):
            if reply_due_at:
                rate_decisions.record_rate_decision(connection, entry, answered=1)
            record_outcome(connection, entry, Outcome.READ)


@retry_conflict
def _skip_deleted_mail(session: MailboxSession, entry: Entry) -> None:
    with write_transaction(session.engine) as connection:
        daily_counters.lock_sender(connection, entry.sender_id)
        if ledger.update_entry(connection, entry.id, L.read_due_at.is_not(None), read_due_at=None):
            rate_decisions.record_rate_decision(connection, entry, opened=-1)


def _schedule_reply(session: MailboxSession, entry: Entry, rates: RateState) -> datetime | None:
    """Return when an opened mail is answered, or None.

    The rate is a share of the placed mails, of which only opened ones can be answered.
    """
    placed_before = max(0, rates.placed - 1)
    if not engagement.is_next_selected(rate=rates.schedule.reply_rate, done=rates.answered, total=placed_before):
        return None
    reply_at = rates.now + session.scale_delay(engagement.delay_until_reply(entry.token))
    return session.next_waking_time(reply_at, entry.token)


def _schedule_marks(session: MailboxSession, entry: Entry, rates: RateState) -> dict[str, Any]:
    """Return the marks that are chosen for an opened mail, and when it gets them; most mails get none."""
    important = engagement.is_marked_important(entry.token, rate=rates.schedule.important_rate)
    starred = engagement.is_starred(entry.token, rate=rates.schedule.star_rate)
    if not important and not starred:
        return {"important": False, "starred": False, "mark_due_at": None}
    mark_at = rates.now + session.scale_delay(engagement.delay_until_mark(entry.token))
    return {"important": important, "starred": starred, "mark_due_at": session.next_waking_time(mark_at, entry.token)}
