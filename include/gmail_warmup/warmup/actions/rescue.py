"""Rescue: read where Gmail put the mails that came, and move warmup mail out of spam."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gmail_warmup.db.engine import by_itself
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Placement
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.gmail.models import Message
from gmail_warmup.warmup.actions.find_mail import locate, placement_of
from gmail_warmup.warmup.actions.read import mark
from gmail_warmup.warmup.actions.session import Desk
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import engagement


def rescue(desk: Desk) -> None:
    """Read the placement of every mail that is due, draw what follows, then rescue what lies in spam."""
    with by_itself(desk.engine) as connection:
        entries = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNPLACED)
    for entry in entries:
        message = locate(desk, entry)
        if message is not None:
            _place(desk, entry, message)
    with by_itself(desk.engine) as connection:
        in_spam = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNRESCUED)
    for entry in desk.by_day(in_spam, L.rescue_due_at):
        _rescue(desk, entry)
    mark(desk)


def _place(desk: Desk, entry: Entry, message: Message) -> None:
    """Record the placement together with everything that is drawn from it, in one transaction."""
    placement = placement_of(message.labels)
    with desk.engine.begin() as connection:
        sender = ledger.draws_of(connection, entry.sender_id)
        chosen = engagement.held(rate=sender.open_rate, done=sender.opened, total=sender.placed)
        drawn = _drawn(desk, entry, placement, sender.now, opened=chosen)
        newly = ledger.update(
            connection,
            entry.id,
            ledger.NOT_PLACED,
            placement=placement,
            placed_at=ledger.NOW,
            recipient_gmail_id=message.id,
            recipient_thread_id=message.thread_id,
            **drawn,
        )
        if newly:
            ledger.drew(connection, entry, placed=1, opened=int(drawn["read_due_at"] is not None))
            ledger.tally(connection, entry, ledger.placed_as(placement), locked=True)
    desk.counts[f"placed_{placement.value}"] += 1


def _drawn(desk: Desk, entry: Entry, placement: Placement, now: datetime, *, opened: bool) -> dict[str, Any]:
    """Return the due times of what the recipient does: what is not rescued or lies in the trash is left alone.

    What nobody opens leaves the inbox at once.
    """
    due: dict[str, Any] = dict.fromkeys(("rescue_due_at", "read_due_at", "mark_due_at"))
    if placement is Placement.SPAM:
        if not engagement.is_rescued(entry.token, rate=desk.settings.rescue_rate):
            return due
        due["rescue_due_at"] = desk.awake(now, entry.token)
    if placement is not Placement.TRASH and opened:
        read_at = (due["rescue_due_at"] or now) + desk.scaled(engagement.read_delay(entry.token))
        due["read_due_at"] = desk.awake(read_at, entry.token)
    elif placement not in (Placement.TRASH, Placement.SPAM):
        due["mark_due_at"] = now
    return due


def _rescue(desk: Desk, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    try:
        desk.file(entry.recipient_gmail_id, add=("INBOX",), remove=("SPAM",))
        done: dict[str, Any] = {"rescued_at": ledger.NOW}
        if entry.read_due_at is None:
            done["mark_due_at"] = ledger.NOW  # nobody opens it, so it leaves the inbox again
    except NotFoundError:
        # The person deleted it: there is nothing left to rescue, read or answer.
        done = {"rescue_due_at": None, "read_due_at": None}
    with desk.engine.begin() as connection:
        newly = ledger.update(connection, entry.id, ledger.NOT_RESCUED, **done)
        if newly and "rescued_at" in done:
            ledger.tally(connection, entry, "rescued")
            desk.counts["rescued"] += 1
        elif newly and entry.read_due_at is not None:
            ledger.drew(connection, entry, opened=-1)
