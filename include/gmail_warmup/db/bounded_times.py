"""Read times and dates that Python does not know: a row that contains one is read like any other.

psycopg2 raises an error for a year before 1 or after 9999, and the whole result is lost. Here such a time, like
infinity and every other time out of range, is read as the nearest time in range, with which Python can compute.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from psycopg2 import Error
from psycopg2.extensions import DATE, PYDATETIMETZ, new_type, register_type
from psycopg2.extensions import connection as PsycopgConnection

from gmail_warmup.db.clock import MAX_TIME, MIN_TIME

_MIN_DATE, _MAX_DATE = MIN_TIME.date(), MAX_TIME.date()
_TIMESTAMPTZ_OID, _DATE_OID = 1184, 1082


def _read_time(text: str | None, cursor: Any) -> datetime | None:
    if text is None:
        return None
    try:
        moment: datetime = PYDATETIMETZ(text, cursor)
        return min(max(moment, MIN_TIME), MAX_TIME)
    except (ValueError, OverflowError, Error):
        return MIN_TIME if text.endswith("BC") else MAX_TIME


def _read_date(text: str | None, cursor: Any) -> date | None:
    if text is None:
        return None
    try:
        day: date = DATE(text, cursor)
        return min(max(day, _MIN_DATE), _MAX_DATE)
    except (ValueError, OverflowError, Error):
        return _MIN_DATE if text.endswith("BC") else _MAX_DATE


_TYPES = (
    new_type((_TIMESTAMPTZ_OID,), "BOUNDED_TIMESTAMPTZ", _read_time),
    new_type((_DATE_OID,), "BOUNDED_DATE", _read_date),
)


def bound_times(connection: Any, _: Any = None) -> None:
    """Read times and dates on a connection of psycopg2 in this way; another database may belong to a former system."""
    if isinstance(connection, PsycopgConnection):
        for one in _TYPES:
            register_type(one, connection)


def is_out_of_range(moment: date | None) -> bool:
    """Return whether a time or date that was read stands for one out of range."""
    if isinstance(moment, datetime):
        return not MIN_TIME < moment < MAX_TIME
    return moment is not None and not _MIN_DATE < moment < _MAX_DATE
