"""Daily maintenance: move finished mail from the ledger to its history and delete rows past their retention period.

Every batch is a short transaction, so it blocks no task, and the next run continues after an interrupted one. Only
mails are partitioned by month. Other tables have so few rows per mailbox (one row of counts a day, some events a year)
that an index finds the old ones and deleting them is cheap.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.warmup.ledger import history

TIME_LIMIT_SECONDS = 900.0
"""Seconds after which no further batch is started."""
BATCH_SIZE = 10_000
"""Rows of a table that are deleted in one transaction."""

_LOCK_KEY = 7_310_575_252_113_449_332
"""Key of the advisory lock; the next number is the key of the alerts."""
_REMOVE_OLD = sa.text("SELECT gmail_warmup.remove_old(:before, :at_once)")
_REMOVE_OLD_CHANGES = sa.text("SELECT gmail_warmup.remove_old_changes(:days, :at_once)")


@dataclass(frozen=True, kw_only=True)
class MaintenanceResult:
    """The result of one run.

    Attributes:
        moved: mails moved from the ledger to its history.
        months: monthly partitions of mails dropped.
        removed: rows deleted from other tables.
        finished: whether nothing is left to do.
    """

    moved: int
    months: int
    removed: int
    finished: bool

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the text for the log."""
        moved = f"{self.moved} mails left the ledger for its history"
        return f"{moved}, {self.months} months of mails were dropped, {self.removed} other rows removed"


def retention_cutoff(now: datetime, months: int) -> datetime:
    """Return the start (UTC) of the oldest month that is kept: ``months`` whole months and the current one."""
    year, month = divmod(now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1 - months, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)


def run_maintenance(engine: sa.Engine, settings: Settings, *, longest: float = TIME_LIMIT_SECONDS) -> MaintenanceResult:
    """Move and delete what is due. It may run at any time, also concurrently.

    Args:
        longest: seconds after which no further batch is started; the next run continues.
    """
    deadline = time.monotonic() + longest
    with write_transaction(engine) as connection:
        now = clock.get_current_time(connection)
    moved, all_moved = _move_finished(engine, now - timedelta(days=settings.ledger_days), deadline)
    before = retention_cutoff(now, settings.history_months) if settings.history_months else None
    months = 0
    if before:
        with write_transaction(engine) as connection:
            months = history.drop_months(connection, before=before)
    removed, all_removed = _remove_batches(engine, _REMOVE_OLD.bindparams(before=before), deadline)
    if days := settings.change_log_days:
        changes, no_more = _remove_batches(engine, _REMOVE_OLD_CHANGES.bindparams(days=days), deadline)
        removed, all_removed = removed + changes, all_removed and no_more
    return MaintenanceResult(moved=moved, months=months, removed=removed, finished=all_moved and all_removed)


def _move_finished(engine: sa.Engine, until: datetime, deadline: float) -> tuple[int, bool]:
    after = mails = 0
    while time.monotonic() < deadline:
        with write_transaction(engine) as connection:
            if not _try_lock(connection):
                return mails, False
            batch = history.move_mails(connection, after=after, until=until)
        mails += batch.mails
        if batch.done or batch.last_id is None:
            return mails, True
        after = batch.last_id
    return mails, False


def _try_lock(connection: sa.Connection) -> bool:
    """Take the lock on moving mails until the transaction ends; return whether it was free."""
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK_KEY))))


def _remove_batches(engine: sa.Engine, statement: sa.TextClause, deadline: float) -> tuple[int, bool]:
    """Execute a statement, which deletes a batch and returns its size, until nothing is left to delete."""
    removed = 0
    while time.monotonic() < deadline:
        with write_transaction(engine) as connection:
            deleted = int(connection.execute(statement, {"at_once": BATCH_SIZE}).scalar_one())
        removed += deleted
        if not deleted:
            return removed, True
    return removed, False
