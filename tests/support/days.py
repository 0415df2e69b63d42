"""Move stored days into the past, so that a test does not have to wait for them."""

from __future__ import annotations

from typing import Any, Protocol

_FAR = 100_000


class Database(Protocol):
    """What executes a statement."""

    def sql(self, statement: str, **values: Any) -> None:
        """Execute a statement."""


def move_days(database: Database, *tables: str, days: int = 1) -> None:
    """Subtract a number of days from the local date of every row in some tables.

    PostgreSQL checks a unique date after each row. A date that moves onto one that has not moved yet would be
    refused, depending on the order of the rows. Therefore all rows first move to dates that nothing else uses.
    """
    for table in tables:
        for step in (_FAR, days - _FAR):
            database.sql(f"UPDATE gmail_warmup.{table} SET local_date = local_date - CAST(:step AS int)", step=step)
