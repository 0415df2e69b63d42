"""Read: open the due mails, mark those that were chosen, and decide which are answered and when.

A mail is mostly opened by the task that finds it, see ``rescue``. A task of its own opens what such a task has left.
"""

from __future__ import annotations

from contextlib import suppress
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
    """Open, mark and archive the due mails, then archive those that are not opened."""
    with autocommit(session.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, session.mailbox.id, ledger.UNREAD)
    for entry in session.while_permitted(session.defer_at_night(entries, L.read_due_at)):
        with isolate_mail(session, entry):
            _read_mail(session, entry)
    _archive_unopened(session)


def _archive_unopened(session: MailboxSession) -> None:
    with autocommit(session.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, session.mailbox.id, ledger.UNMARKED)
    for entry in session.while_permitted(entries):
        with isolate_mail(session, entry):
            _archive_mail(session, entry)


def _archive_mail(session: MailboxSession, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    with suppress(NotFoundError):  # a person deleted it
        session.label_message(entry.recipient_gmail_id, remove=("INBOX",))
    with autocommit(session.engine) as connection:
        ledger.update_entry(connection, entry.id, marked_at=ledger.NOW)


def _get_marks(entry: Entry) -> dict[str, MailEvent]:
    """Return the labels of the marks that a mail gets, with what is counted for each."""
    marks = (
        ("IMPORTANT", entry.important, MailEvent.MARKED_IMPORTANT),
        ("STARRED", entry.starred, MailEvent.MARKED_STARRED),
    )
    return {label: event for label, is_chosen, event in marks if is_chosen}


def _read_mail(session: MailboxSession, entry: Entry) -> None:
    """Open, mark and archive a mail with one request."""
    assert entry.recipient_gmail_id
    marks = _get_marks(entry)
    try:
        session.label_message(entry.recipient_gmail_id, add=tuple(marks), remove=("UNREAD", "INBOX"))
    except NotFoundError:
        _skip_deleted_mail(session, entry)
        return
    session.counts.update((MailEvent.READ, *marks.values()))
    _store_read(session, entry)


@retry_conflict
def _store_read(session: MailboxSession, entry: Entry) -> None:
    with write_transaction(session.engine) as connection:
        rates = rate_decisions.load_rate_state(connection, entry.sender_id, session.settings)  # locks its row
        reply_due_at = _schedule_reply(session, entry, rates)
        values: dict[str, Any] = {"read_at": ledger.NOW, "reply_due_at": reply_due_at}
        if _get_marks(entry):
            values["marked_at"] = ledger.NOW
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
    return session.find_next_session(rates.now, engagement.delay_until_reply(entry.token))
