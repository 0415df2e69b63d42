"""Finding a warmup mail at its recipient, and reading where Gmail put it before anything touches it."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Placement
from gmail_warmup.gmail.models import Message
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry

_MIN_RETRY_DELAY = timedelta(minutes=5)
_CATEGORY_PLACEMENTS = {
    "CATEGORY_PROMOTIONS": Placement.PROMOTIONS,
    "CATEGORY_SOCIAL": Placement.SOCIAL,
    "CATEGORY_UPDATES": Placement.UPDATES,
    "CATEGORY_FORUMS": Placement.FORUMS,
}


def classify_placement(labels: frozenset[str]) -> Placement:
    """Return where a mail lies, from its labels as they were found."""
    for label, placement in (("SPAM", Placement.SPAM), ("TRASH", Placement.TRASH)):
        if label in labels:
            return placement
    for label, placement in _CATEGORY_PLACEMENTS.items():
        if label in labels:
            return placement
    return Placement.INBOX if "INBOX" in labels else Placement.ARCHIVE


def find_received_mail(desk: MailboxSession, entry: Entry) -> Message | None:
    """Return the mail of a row in this mailbox, or None if it has not come (yet).

    It is found by its Message-ID and has to carry the row's token; nothing else in the mailbox is ever touched. One
    that does not come is looked for again, ever later, and counts as missing after ``missing_after`` seconds.
    """
    assert entry.rfc_message_id
    message = desk.gmail.find_message(entry.rfc_message_id, entry.token)
    if message is None:
        _handle_not_found(desk, entry)
    return message


def _handle_not_found(desk: MailboxSession, entry: Entry) -> None:
    age = sa.func.now() - L.sent_at
    with desk.engine.begin() as connection:
        missing = ledger.update_entry(
            connection,
            entry.id,
            age > make_interval(desk.settings.missing_after),
            L.placement.is_(None),
            placement=Placement.MISSING,
            placed_at=sa.func.now(),
            collected_at=sa.func.now(),
        )
        if missing:
            ledger.count_outcome(connection, entry, "missing")
        else:
            again = sa.func.now() + sa.func.greatest(desk.scale_delay(_MIN_RETRY_DELAY), age / 2)
            ledger.update_entry(connection, entry.id, locate_due_at=again)
    desk.counts["missing" if missing else "not_there_yet"] += 1
