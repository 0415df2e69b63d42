"""Time zones that Python and PostgreSQL both know and do not read in different ways.

Python computes the slots of a day, PostgreSQL the local date of a mailbox. A zone that only one of them knows would
make the queries about all mailboxes fail.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.zone_comparison import CITY_OF_ZONE, describe_refusal
from gmail_warmup.mailboxes.zone_data import find_zone, list_zones

_EXAMPLE = "write it like Europe/Berlin or America/New_York"
_UTC_OFFSET = re.compile(r"(?:utc|gmt)([+-])0?(\d{1,2})(?::?00)?", re.IGNORECASE)


def normalize_time_zone(name: str) -> str:
    """Return the IANA name of a time zone in its own upper and lower case.

    Raises:
        ValueError: if the locked data does not contain it, or PostgreSQL reads it in another way.
    """
    known = _list_zones().get("_".join(name.lower().split()))
    if known is None:
        raise ValueError(f"is not an IANA time zone; {_suggest_name(name)}")
    if known in CITY_OF_ZONE:
        city = CITY_OF_ZONE[known]
        raise ValueError(f"is read by PostgreSQL without daylight saving time; use a city, for example {city}")
    return known


@functools.cache
def _list_zones() -> dict[str, str]:
    """Return the names of the zones by their lower-case form."""
    return {name.lower(): name for name in list_zones()}


def _suggest_name(given: str) -> str:
    """Return the remedy for an unknown name; the zones of fixed offsets have the reversed sign in their names."""
    offset = _UTC_OFFSET.fullmatch("".join(given.split()))
    zone = f"Etc/GMT{'-' if offset[1] == '+' else '+'}{offset[2]}" if offset else ""
    if not offset or not find_zone(zone):
        return _EXAMPLE
    return f"{_EXAMPLE}, or {zone} for UTC{offset[1]}{offset[2]} all year"


_accepted_zones: set[str] = set()
"""Zones that the database of this process knows and does not read as abbreviations; it is queried once for each."""


def require_database_zones(connection: sa.Connection, zones: Iterable[str]) -> None:
    """Check that PostgreSQL knows time zones and does not read them as abbreviations, before it stores them.

    Raises:
        InvalidInputError: naming a zone for which this is not so, and a city to use.
    """
    for zone in sorted(set(zones) - _accepted_zones):
        if refusal := describe_refusal(connection, zone):
            raise InvalidInputError(f"timezone: '{zone}' {refusal}.")
        _accepted_zones.add(zone)
