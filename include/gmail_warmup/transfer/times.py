"""Times in files of other systems and in backups."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from gmail_warmup.core.errors import InvalidInputError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""The times between which a grant can be issued or expire; PostgreSQL and Python can represent all of them."""
_LARGEST_SECONDS, _LARGEST_MILLISECONDS = 1e11, 1e14
"""A larger number is in milliseconds, or in microseconds."""


_JSON_NET_DATE = re.compile(r"/Date\((-?\d{1,18})(?:[+-]\d{4})?\)/")
"""Milliseconds since 1970, as .NET wrote them before ISO 8601."""


def parse_time(value: Any, *, name: str) -> datetime | None:
    """Parse an ISO 8601 time, or a number of seconds or milliseconds since 1970; without an offset it is in UTC.

    A time outside of the years 2000 to 2199 stands for no time at all: systems write their zero time, such as
    ``0001-01-01T00:00:00Z`` in Go, or their last one.

    Raises:
        InvalidInputError: naming the field, if it is neither.
    """
    if value in (None, ""):
        return None
    if isinstance(value, str) and (found := _JSON_NET_DATE.fullmatch(value.strip())):
        value = found[1]
    try:
        when = _EPOCH + _to_timedelta(value) if _is_number(value) else datetime.fromisoformat(str(value).strip())
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except OverflowError:
        return None
    except ValueError:
        raise InvalidInputError(f"the {name} is not a time in ISO 8601, such as 2026-01-31T12:00:00Z.") from None
    return when if _EARLIEST <= when < _LATEST else None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (isinstance(value, str) and value.strip().lstrip("-").isdecimal())


def _to_timedelta(value: Any) -> timedelta:
    seconds = float(value)
    if abs(seconds) >= _LARGEST_MILLISECONDS:
        seconds /= 1e6
    elif abs(seconds) >= _LARGEST_SECONDS:
        seconds /= 1e3
    return timedelta(seconds=seconds)
