"""The clock of the database: the only one that due times, leases and expiries are compared with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

_NOW = sa.select(sa.func.now())


def get_current_time(connection: sa.Connection) -> datetime:
    """Return the timezone-aware start time of the current transaction."""
    now: datetime = connection.execute(_NOW).scalar_one()
    return now


def make_interval(value: float | sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return an SQL interval of this many seconds."""
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, value)
