"""Upkeep, daily: what is done with leaves the ledger, and what is older than it is kept for is removed for good.

Every batch is a transaction of its own and short, so nobody waits for it, and a run that ends in the middle has lost
nothing: the next one goes on. Only mails are kept by the month, in partitions. Of everything else a mailbox has so few
rows (a day's counts a day, some events a year) that its index finds the old ones and deleting them costs little.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.warmup.ledger import history

TIME_LIMIT_SECONDS = 900.0
"""Seconds after which no further batch is begun."""
BATCH_SIZE = 10_000
"""Rows of a table that are removed in one transaction."""

_LOCK_KEY = 7_310_575_252_113_449_332
"""The key of the advisory lock, next to that of the alerts."""
_REMOVE_OLD = sa.text("SELECT gmail_warmup.remove_old(:before, :at_once)")


@dataclass(frozen=True, kw_only=True)
class MaintenanceResult:
    """What one run did.

    Attributes:
        moved: mails that left the ledger for its history.
        months: months of mails that were dropped.
        removed: rows removed of everything else.
        finished: whether nothing is left to do for now.
    """

    moved: int
    months: int
    removed: int
    finished: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return it as a log shows it."""
        moved = f"{self.moved} mails left the ledger for its history"
        return f"{moved}, {self.months} months of mails were dropped, {self.removed} other rows removed"


def retention_cutoff(now: datetime, months: int) -> datetime:
    """Return the beginning, in UTC, of the oldest month that is kept: so many whole months and the one that runs."""
    year, month = divmod(now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def run_maintenance(engine: sa.Engine, settings: Settings, *, longest: float = TIME_LIMIT_SECONDS) -> MaintenanceResult:
    """Move and remove what is due for it; may run at any time, and twice at a time.

    Args:
        longest: seconds after which no further batch is begun; what is left is done by the next run.
    """
    ends = time.monotonic() + longest
    with engine.begin() as connection:
        now = clock.get_current_time(connection)
    moved, all_moved = _move_finished(engine, now - timedelta(days=settings.ledger_days), ends)
    before = retention_cutoff(now, settings.history_months) if settings.history_months else None
    months = 0
    if before:
        with engine.begin() as connection:
            months = history.drop_months(connection, before=before)
    removed, all_removed = _remove_old(engine, before, ends)
    return MaintenanceResult(moved=moved, months=months, removed=removed, finished=all_moved and all_removed)


def _move_finished(engine: sa.Engine, until: datetime, ends: float) -> tuple[int, bool]:
    after = mails = 0
    while time.monotonic() < ends:
        with engine.begin() as connection:
            if not _try_lock(connection):
                return mails, False
            batch = history.move_mails(connection, after=after, until=until)
        mails += batch.mails
        if batch.done or batch.last_id is None:
            return mails, True
        after = batch.last_id
    return mails, False


def _try_lock(connection: sa.Connection) -> bool:
    """Take the place of the one that moves, until the transaction ends; tell whether it was free."""
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK_KEY))))


def _remove_old(engine: sa.Engine, before: datetime | None, ends: float) -> tuple[int, bool]:
    removed = 0
    while time.monotonic() < ends:
        with engine.begin() as connection:
            gone = int(connection.execute(_REMOVE_OLD, {"before": before, "at_once": BATCH_SIZE}).scalar_one())
        removed += gone
        if not gone:
            return removed, True
    return removed, False
