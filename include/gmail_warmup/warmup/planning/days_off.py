"""Public holidays, from the calendars of the library ``holidays``."""

from __future__ import annotations

import threading
from collections.abc import Container
from datetime import date
from functools import lru_cache

_LOCK = threading.Lock()
"""A calendar computes a year when it is first read, and lacks holidays meanwhile."""


@lru_cache(maxsize=20_000)
def is_public_holiday(day: date, country: str, subdivision: str | None) -> bool:
    """Return whether a date is a public holiday in a country, or in a subdivision of it."""
    with _LOCK:
        return day in _load_calendar(country, subdivision)


@lru_cache(maxsize=1000)
def _load_calendar(country: str, subdivision: str | None) -> Container[date]:
    from holidays import country_holidays  # takes a while; the preload does it before tasks are forked

    return country_holidays(country, subdiv=subdivision)
