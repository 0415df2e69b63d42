"""Count the outcome of a mail, and update the health band of its sender if the outcome affects it."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.ledger import daily_counters
from gmail_warmup.warmup.ledger.daily_counters import Outcome
from gmail_warmup.warmup.ledger.entries import Entry


def record_outcome(connection: sa.Connection, entry: Entry, outcome: Outcome) -> None:
    """Count an outcome on its sender's day and let the health monitor judge the new count.

    Call it in the transaction that writes the outcome to the ledger, with the sender's row locked.
    """
    if daily_counters.count_outcome(connection, entry, outcome):
        monitor.update_health_band(connection, entry.sender_id)
