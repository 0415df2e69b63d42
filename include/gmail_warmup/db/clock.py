"""The database's time, the only one by which anything is due, leased or expired."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

_NOW = sa.select(sa.func.now())


def get_current_time(connection: sa.Connection) -> datetime:
    """Return the time of the caller's transaction (aware)."""
    moment: datetime = connection.execute(_NOW).scalar_one()
    return moment


def make_interval(value: float | sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return an interval of some seconds."""
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, value)
