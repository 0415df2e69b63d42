"""Find a warmup mail at its recipient and read where Gmail placed it, before anything changes it."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Placement
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.models import Message
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.health.outcomes import record_outcome
from gmail_warmup.warmup.ledger import daily_counters
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.daily_counters import Outcome
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import sessions

_MIN_RETRY_DELAY = timedelta(minutes=5)
_LABEL_PLACEMENTS = {
    "SPAM": Placement.SPAM,
    "TRASH": Placement.TRASH,
    "CATEGORY_PROMOTIONS": Placement.PROMOTIONS,
    "CATEGORY_SOCIAL": Placement.SOCIAL,
    "CATEGORY_UPDATES": Placement.UPDATES,
    "CATEGORY_FORUMS": Placement.FORUMS,
    "INBOX": Placement.INBOX,
}
"""The placement by the first of these labels that a message has."""


def classify_placement(labels: frozenset[str]) -> Placement:
    """Return where Gmail placed a mail, from its unchanged labels."""
    return next((place for label, place in _LABEL_PLACEMENTS.items() if label in labels), Placement.ARCHIVE)


def find_received_mail(session: MailboxSession, entry: Entry) -> Message | None:
    """Return the mail of a row in this mailbox, or None if it has not arrived (yet).

    It is found by its Message-ID and must carry the row's token; no other message is ever changed. A mail that is not
    found is searched for again in later sessions, at growing intervals, and counts as missing after ``missing_after``
    seconds.
    """
    message_id = mime.require_message_id("rfc_message_id", entry.rfc_message_id or "")
    message = session.gmail.find_message(message_id, entry.token)
    if message is None:
        _handle_not_found(session, entry)
    return message


def _handle_not_found(session: MailboxSession, entry: Entry) -> None:
    is_missing = _store_not_found(session, entry)
    session.counts[MailEvent.MISSING if is_missing else MailEvent.NOT_THERE_YET] += 1


@retry_conflict
def _store_not_found(session: MailboxSession, entry: Entry) -> bool:
    """Record that a mail is missing, or when it is searched for again; return whether it is missing."""
    age = sa.func.now() - L.sent_at
    with write_transaction(session.engine) as connection:
        daily_counters.lock_sender(connection, entry.sender_id)
        is_missing = ledger.update_entry(
            connection,
            entry.id,
            age > make_interval(session.settings.missing_after),
            L.placement.is_(None),
            placement=Placement.MISSING,
            placed_at=ledger.NOW,
            collected_at=ledger.NOW,
        )
        if is_missing:
            record_outcome(connection, entry, Outcome.MISSING)
        else:
            ledger.update_entry(connection, entry.id, locate_due_at=_find_retry_time(session, entry))
    return is_missing


def _find_retry_time(session: MailboxSession, entry: Entry) -> datetime:
    """Return the first session after half of the mail's age."""
    age = entry.seen_at - (entry.sent_at or entry.seen_at)
    retry_at = entry.seen_at + max(session.scale_delay(_MIN_RETRY_DELAY), age / 2)
    return sessions.find_next_session(session.mailbox, retry_at, session.settings)
