"""Column types and constraints that the models share."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import CheckConstraint, DateTime

from gmail_warmup.db.clock import MAX_TIME, MIN_TIME

Timestamp = DateTime(timezone=True)


def check_one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """Return a check constraint that limits a text column to these values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def check_time(column: str) -> CheckConstraint:
    """Return a check constraint that limits a time to those with which code can compute, see ``db.clock``."""
    first, last = (moment.strftime("%Y-%m-%d %H:%M+00") for moment in (MIN_TIME, MAX_TIME))
    return CheckConstraint(f"{column} BETWEEN '{first}' AND '{last}'", name=column)


def check_object(column: str) -> CheckConstraint:
    """Return a check constraint that limits a JSON document to an object."""
    return CheckConstraint(f"jsonb_typeof({column}) = 'object'", name=column)
