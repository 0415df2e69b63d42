"""Count the outcome of a mail, and update the health band of its sender if the outcome affects it."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.ledger import daily_counters
from gmail_warmup.warmup.ledger.daily_counters import Outcome
from gmail_warmup.warmup.ledger.entries import Entry


def record_outcome(connection: sa.Connection, entry: Entry, outcome: Outcome, *, locked: bool = False) -> None:
    """Count an outcome on its sender's day and let the health monitor judge the new count.

    Lock order: counting locks the sender's row and then its day. The monitor needs the sender's row locked, so both run
    in the transaction that writes the outcome to the ledger.

    Args:
        locked: whether the caller has already locked the sender's row.
    """
    if daily_counters.count_outcome(connection, entry, outcome, locked=locked):
        monitor.update_health_band(connection, entry.sender_id)
