"""Rescue: read where Gmail put the mails that came, and move warmup mail out of spam."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.intervals import seconds
from gmail_warmup.db.models import Mailbox, Placement
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.gmail.records import Message
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup import engagement, ledger
from gmail_warmup.warmup.actions.base import Desk
from gmail_warmup.warmup.actions.locate import locate, placement_of
from gmail_warmup.warmup.ledger import Entry


def rescue(desk: Desk) -> None:
    """Read the placement of every mail that is due, draw what follows, then rescue what lies in spam."""
    with desk.engine.begin() as connection:
        entries = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNPLACED)
    for entry in entries:
        message = locate(desk, entry)
        if message is not None:
            _place(desk, entry, message)
    with desk.engine.begin() as connection:
        in_spam = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNRESCUED)
    for entry in in_spam:
        _rescue(desk, entry)


def _place(desk: Desk, entry: Entry, message: Message) -> None:
    """Record the placement together with everything that is drawn from it, in one transaction."""
    placement = placement_of(message.labels)
    with desk.engine.begin() as connection:
        # Two recipients of one sender draw at the same time; its row orders them, so that the rates hold.
        query = repository.SELECT.where(Mailbox.id == entry.sender_id).with_for_update(of=Mailbox)
        sender = repository.record(connection.execute(query).one())
        placed, opened, _ = ledger.counts_of_sender(connection, sender.id)
        values: dict[str, Any] = {}
        if placement is not Placement.TRASH and engagement.held(rate=sender.open_rate, done=opened, total=placed):
            delay = seconds(desk.scaled(engagement.read_delay(entry.token)))
            values["read_due_at"] = sa.func.now() + delay
            values["important"] = engagement.marks_important(entry.token, rate=desk.settings.important_rate)
        if placement is Placement.SPAM and engagement.is_rescued(entry.token, rate=desk.settings.rescue_rate):
            values["rescue_due_at"] = sa.func.now()
        ledger.update(
            connection,
            entry.id,
            placement=placement,
            placed_at=sa.func.now(),
            recipient_gmail_id=message.id,
            recipient_thread_id=message.thread_id,
            **values,
        )
        ledger.tally(connection, entry, ledger.placed_as(placement))
    desk.counts[f"placed_{placement.value}"] += 1
    if placement is not Placement.SPAM:
        _tidy(desk, message, opened="read_due_at" in values)


def _tidy(desk: Desk, message: Message, *, opened: bool) -> None:
    """Label the mail; one that nobody will open leaves the inbox at once, another one when it was read."""
    desk.gmail.modify(message.id, add=(desk.label(),), remove=() if opened else tuple(message.labels & {"INBOX"}))


def _rescue(desk: Desk, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    try:
        desk.gmail.modify(entry.recipient_gmail_id, add=("INBOX", desk.label()), remove=("SPAM",))
        desk.counts["rescued"] += 1
        done: dict[str, Any] = {"rescued_at": sa.func.now()}
    except NotFoundError:
        # The person deleted it: there is nothing left to rescue, read or answer.
        done = {"rescue_due_at": None, "read_due_at": None}
    with desk.engine.begin() as connection:
        ledger.update(connection, entry.id, **done)
        if "rescued_at" in done:
            ledger.tally(connection, entry, "rescued")
