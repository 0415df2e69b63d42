"""Read: open the mails whose time has come, and draw whether and when they are answered."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.intervals import seconds
from gmail_warmup.db.models import Mailbox
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup import engagement, ledger
from gmail_warmup.warmup.actions.base import Desk
from gmail_warmup.warmup.ledger import Entry


def read(desk: Desk) -> None:
    """Mark the due mails as read, some as important, and archive them."""
    with desk.engine.begin() as connection:
        entries = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNREAD)
    for entry in entries:
        _read(desk, entry)


def _read(desk: Desk, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    important = ("IMPORTANT",) if entry.important else ()
    try:
        desk.gmail.modify(entry.recipient_gmail_id, add=(desk.label(), *important), remove=("UNREAD", "INBOX"))
    except NotFoundError:
        with desk.engine.begin() as connection:
            ledger.update(connection, entry.id, read_due_at=None)
        return
    desk.counts["read"] += 1
    with desk.engine.begin() as connection:
        query = repository.SELECT.where(Mailbox.id == entry.sender_id).with_for_update(of=Mailbox)
        sender = repository.record(connection.execute(query).one())
        placed, _, answered = ledger.counts_of_sender(connection, sender.id)
        values: dict[str, Any] = {"read_at": sa.func.now()}
        # The rate counts over all placed mails, and only an opened one can be answered.
        if engagement.held(rate=sender.reply_rate, done=answered, total=max(0, placed - 1)):
            values["reply_due_at"] = sa.func.now() + seconds(desk.scaled(engagement.reply_delay(entry.token)))
        ledger.update(connection, entry.id, **values)
        ledger.tally(connection, entry, "read")
