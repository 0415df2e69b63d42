"""Read: open the mails whose time has come, mark some of them, and draw whether and when they are answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gmail_warmup.db.engine import by_itself
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.warmup.actions.session import Desk
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import engagement


def read(desk: Desk) -> None:
    """Mark the due mails as read and archive them, then mark those that were read a while ago."""
    with by_itself(desk.engine) as connection:
        entries = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNREAD)
    for entry in desk.by_day(entries, L.read_due_at):
        _read(desk, entry)
    mark(desk)


def mark(desk: Desk) -> None:
    """Give the due mails what was drawn for them, important or a star, and put them out of sight."""
    with by_itself(desk.engine) as connection:
        entries = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNMARKED)
    for entry in entries:
        assert entry.recipient_gmail_id
        drawn = {"IMPORTANT": entry.important, "STARRED": entry.starred}
        marks = tuple(label for label, wanted in drawn.items() if wanted)
        try:
            desk.file(entry.recipient_gmail_id, add=marks, remove=("INBOX",))
        except NotFoundError:
            marks = ()  # the person deleted it
        with by_itself(desk.engine) as connection:
            ledger.update(connection, entry.id, marked_at=ledger.NOW)
        desk.counts.update({f"marked_{label.lower()}": 1 for label in marks})


def _read(desk: Desk, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    try:
        desk.file(entry.recipient_gmail_id, remove=("UNREAD", "INBOX"))
    except NotFoundError:
        with desk.engine.begin() as connection:
            if ledger.update(connection, entry.id, ledger.TO_READ, read_due_at=None):
                ledger.drew(connection, entry, opened=-1)
        return
    desk.counts["read"] += 1
    with desk.engine.begin() as connection:
        sender = ledger.draws_of(connection, entry.sender_id)
        values = _marks(desk, entry, sender.now) | {"read_at": ledger.NOW, "reply_due_at": None}
        # The rate counts over all placed mails, and only an opened one can be answered.
        answered = engagement.held(rate=sender.reply_rate, done=sender.answered, total=max(0, sender.placed - 1))
        if answered:
            answer_at = sender.now + desk.scaled(engagement.reply_delay(entry.token))
            values["reply_due_at"] = desk.awake(answer_at, entry.token)
        if ledger.update(connection, entry.id, ledger.NOT_READ, **values):
            if answered:
                ledger.drew(connection, entry, answered=1)
            ledger.tally(connection, entry, "read", locked=True)


def _marks(desk: Desk, entry: Entry, now: datetime) -> dict[str, Any]:
    """Return what is drawn for a mail that was opened, and when it gets it; nothing for most of them."""
    important = engagement.marks_important(entry.token, rate=desk.settings.important_rate)
    starred = engagement.is_starred(entry.token, rate=desk.settings.star_rate)
    if not important and not starred:
        return {"important": False, "starred": False, "mark_due_at": None}
    mark_at = now + desk.scaled(engagement.mark_delay(entry.token))
    return {"important": important, "starred": starred, "mark_due_at": desk.awake(mark_at, entry.token)}
