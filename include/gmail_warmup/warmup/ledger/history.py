"""The ledger's history: mails in which nothing is due move there, by the month of their claim, a batch at a time.

So the ledger, on which every task works, holds the mails of the last weeks however long an installation runs. A thread
moves as a whole and in one transaction: at any moment a mail is in the ledger or in its history, never in both. The
database's own functions do it; see ``db.functions`` for what a mail waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

BATCH_SIZE = 5_000
"""Rows of the ledger that are looked at in one transaction: some tenths of a second."""


@dataclass(frozen=True, kw_only=True)
class MoveResult:
    """What became of one batch.

    Attributes:
        mails: how many moved.
        last_id: the last row that was looked at; None if there was none.
        done: whether what comes behind it is too young to move.
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
    """Move the threads among the next rows that are done with into the history; make the months that they need.

    Args:
        after: the id behind which to look.
        until: aware; what was claimed from then on stays, and so does what is younger than ``YOUNG``.
    """
    row = connection.execute(_MOVE_MAILS, {"after": after, "until": until, "at_once": BATCH_SIZE}).one()
    return MoveResult(mails=row.mails, last_id=row.last_id, done=row.done)


def drop_months(connection: sa.Connection, *, before: datetime) -> int:
    """Drop the months that ended before a time (aware), for good; return how many that were."""
    return int(connection.execute(_DROP_MONTHS, {"before": before}).scalar_one())


def count_overdue(connection: sa.Connection, *, until: datetime) -> int:
    """Return how many of the ledger's first rows should have moved: nothing waits in them, and they are older."""
    return int(connection.execute(_COUNT_OVERDUE, {"until": until, "at_once": BATCH_SIZE}).scalar_one())
