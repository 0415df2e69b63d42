"""Read: open the mails whose time has come, mark some of them, and draw whether and when they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import engagement


def read_mails(desk: MailboxSession) -> None:
    """Mark the due mails as read and archive them, then mark those that were read a while ago."""
    with connect_autocommit(desk.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, desk.mailbox.id, ledger.UNREAD)
    for entry in desk.defer_at_night(entries, L.read_due_at):
        _read_mail(desk, entry)
    mark_mails(desk)


def mark_mails(desk: MailboxSession) -> None:
    """Give the due mails what was drawn for them, important or a star, and put them out of sight."""
    with connect_autocommit(desk.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, desk.mailbox.id, ledger.UNMARKED)
    for entry in entries:
        assert entry.recipient_gmail_id
        drawn = {"IMPORTANT": entry.important, "STARRED": entry.starred}
        marks = tuple(label for label, wanted in drawn.items() if wanted)
        try:
            desk.label_message(entry.recipient_gmail_id, add=marks, remove=("INBOX",))
        except NotFoundError:
            marks = ()  # the person deleted it
        with connect_autocommit(desk.engine) as connection:
            ledger.update_entry(connection, entry.id, marked_at=ledger.NOW)
        desk.counts.update({f"marked_{label.lower()}": 1 for label in marks})


def _read_mail(desk: MailboxSession, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    try:
        desk.label_message(entry.recipient_gmail_id, remove=("UNREAD", "INBOX"))
    except NotFoundError:
        with desk.engine.begin() as connection:
            if ledger.update_entry(connection, entry.id, ledger.WILL_BE_READ, read_due_at=None):
                ledger.record_rate_decision(connection, entry, opened=-1)
        return
    desk.counts["read"] += 1
    with desk.engine.begin() as connection:
        sender = ledger.load_rate_state(connection, entry.sender_id)
        values = _choose_marks(desk, entry, sender.now) | {"read_at": ledger.NOW, "reply_due_at": None}
        # The rate counts over all placed mails, and only an opened one can be answered.
        answered = engagement.is_next_selected(
            rate=sender.reply_rate, done=sender.answered, total=max(0, sender.placed - 1)
        )
        if answered:
            answer_at = sender.now + desk.scale_delay(engagement.delay_until_reply(entry.token))
            values["reply_due_at"] = desk.next_waking_time(answer_at, entry.token)
        if ledger.update_entry(connection, entry.id, ledger.NOT_READ, **values):
            if answered:
                ledger.record_rate_decision(connection, entry, answered=1)
            ledger.count_outcome(connection, entry, "read", locked=True)


def _choose_marks(desk: MailboxSession, entry: Entry, now: datetime) -> dict[str, Any]:
    """Return what is drawn for a mail that was opened, and when it gets it; nothing for most of them."""
    important = engagement.is_marked_important(entry.token, rate=desk.settings.important_rate)
    starred = engagement.is_starred(entry.token, rate=desk.settings.star_rate)
    if not important and not starred:
        return {"important": False, "starred": False, "mark_due_at": None}
    mark_at = now + desk.scale_delay(engagement.delay_until_mark(entry.token))
    return {"important": important, "starred": starred, "mark_due_at": desk.next_waking_time(mark_at, entry.token)}
