"""The clock of the database, the times that a column may hold, and local days."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

MIN_TIME, MAX_TIME = datetime(1900, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""The range of stored times. PostgreSQL accepts years that Python does not know, and infinity."""

_NOW = sa.select(sa.func.now())


def get_current_time(connection: sa.Connection) -> datetime:
    """Return the timezone-aware start time of the current transaction."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return now


def make_interval(value: float | sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return an SQL interval of this many seconds."""
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, value)


def bound_time(column: Any) -> sa.ColumnElement[Any]:
    """Return an SQL time for arithmetic: NULL, which means unknown, in place of one out of range.

    A sum or difference with such a time fails, and with it the query about all rows.
    """
    return sa.case((column.between(MIN_TIME, MAX_TIME), column))


def to_local_date(zone: Any, at: Any) -> sa.ColumnElement[Any]:
    """Return the SQL local date of a time in a time zone, which is a column or a name.

    ``AT TIME ZONE`` fails for a name that the database does not know, and with it the query about all rows. The
    function of the schema then returns the date in UTC.
    """
    return sa.func.gmail_warmup.local_date(zone, at, type_=sa.Date)
