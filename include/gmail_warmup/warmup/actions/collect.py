"""Collect: find the replies at the mailbox that asked, read where they were put, and tidy up."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.db.models import Placement
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.warmup import engagement, ledger
from gmail_warmup.warmup.actions.base import Desk
from gmail_warmup.warmup.actions.locate import locate, placement_of
from gmail_warmup.warmup.ledger import Entry


def collect(desk: Desk) -> None:
    """Find the replies that are due; rescue those in spam, mark them read, label and archive them."""
    with desk.engine.begin() as connection:
        entries = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNCOLLECTED)
    for entry in entries:
        _collect(desk, entry)


def _collect(desk: Desk, entry: Entry) -> None:
    placement, message_id = entry.placement, entry.recipient_gmail_id
    if placement is None or message_id is None:
        message = locate(desk, entry)
        if message is None:
            return
        placement, message_id = placement_of(message.labels), message.id
        with desk.engine.begin() as connection:
            ledger.update(
                connection,
                entry.id,
                placement=placement,
                placed_at=sa.func.now(),
                recipient_gmail_id=message.id,
                recipient_thread_id=message.thread_id,
            )
    rescued = placement is Placement.SPAM and engagement.is_rescued(entry.token, rate=desk.settings.rescue_rate)
    try:
        if rescued:
            desk.gmail.modify(message_id, add=("INBOX",), remove=("SPAM",))
        if rescued or placement is not Placement.SPAM:
            desk.gmail.modify(message_id, add=(desk.label(),), remove=("UNREAD", "INBOX"))
    except NotFoundError:
        rescued = False  # the person deleted it; it was found all the same
    desk.counts["collected"] += 1
    with desk.engine.begin() as connection:
        ledger.update(connection, entry.id, collected_at=sa.func.now(), rescued_at=sa.func.now() if rescued else None)
