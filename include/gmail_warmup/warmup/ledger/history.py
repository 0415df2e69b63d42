"""Move finished mails from the ledger to its history, which has one partition per month of the claim, in batches.

The ledger, which every task reads, thus contains only the mails of the last weeks. A thread is moved as a whole and in
one transaction, so a mail is always in exactly one of the two tables. The moving is done by functions in the database;
``db.sql_functions`` defines when a mail is finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

BATCH_SIZE = 5_000
"""Ledger rows examined in one transaction: some tenths of a second."""


@dataclass(frozen=True, kw_only=True)
class MoveResult:
    """The result of one batch.

    Attributes:
        mails: number of mails moved.
        last_id: the last row examined; None if there was none.
        done: whether the rows after it are too young to move.
    """

    mails: int
    last_id: int | None
    done: bool


_MOVE_MAILS = sa.text("SELECT mails, last_id, done FROM gmail_warmup.move_mails(:after, :until, :at_once)")
_DROP_MONTHS = sa.text("SELECT gmail_warmup.drop_months(:before)")
_COUNT_OVERDUE = sa.text(
    "SELECT count(*) FROM gmail_warmup.ledger l WHERE l.id IN"
    " (SELECT id FROM gmail_warmup.ledger ORDER BY id LIMIT :at_once)"
    " AND l.claimed_at < :until AND NOT gmail_warmup.mail_is_pending(l)"
)


def move_mails(connection: sa.Connection, *, after: int, until: datetime) -> MoveResult:
    """Move the finished threads among the next rows to the history, and create the partitions that they need.

    Args:
        after: the id after which to continue.
        until: mails claimed from this time (aware) on stay, as do those younger than ``LEDGER_MIN_AGE``.
    """
    row = connection.execute(_MOVE_MAILS, {"after": after, "until": until, "at_once": BATCH_SIZE}).one()
    return MoveResult(mails=row.mails, last_id=row.last_id, done=row.done)


def drop_months(connection: sa.Connection, *, before: datetime) -> int:
    """Drop the monthly partitions that ended before a time (aware); return their number."""
    return int(connection.execute(_DROP_MONTHS, {"before": before}).scalar_one())


def count_overdue(connection: sa.Connection, *, until: datetime) -> int:
    """Return how many of the ledger's first rows are finished and were claimed before a time (aware)."""
    return int(connection.execute(_COUNT_OVERDUE, {"until": until, "at_once": BATCH_SIZE}).scalar_one())
