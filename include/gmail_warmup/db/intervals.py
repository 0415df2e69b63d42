"""Lengths of time for expressions on the database's clock."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa


def seconds(value: float | sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return an interval of some seconds."""
    return sa.func.make_interval(0, 0, 0, 0, 0, 0, value)
