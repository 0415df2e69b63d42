"""Column types and constraints that the models share."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import CheckConstraint, DateTime

Timestamp = DateTime(timezone=True)


def check_one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """Return a check constraint that limits a text column to these values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
