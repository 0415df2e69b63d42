"""Time zones that Python and PostgreSQL both know and read in the same way.

Python computes the slots of a day, PostgreSQL the local date of a mailbox. A zone that only one of them knows would
make the queries about all mailboxes fail.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from zoneinfo import ZoneInfo, available_timezones

import sqlalchemy as sa
from sqlalchemy.exc import DataError

from gmail_warmup.core.errors import InvalidInputError

CITY_OF_ZONE = {"CET": "Europe/Brussels", "EET": "Europe/Athens", "MET": "Europe/Brussels", "WET": "Europe/Lisbon"}
"""Zones that PostgreSQL reads as abbreviations without daylight saving time, and a city with the same hours."""

_EXAMPLE = "write it like Europe/Berlin or America/New_York"
_LOCAL_NAMES = ("localtime", "posixrules", "Factory")
"""Files in the folder of the zones that depend on the machine, or are no zone."""


@functools.cache
def find_zone(name: str) -> ZoneInfo | None:
    """Return a stored time zone by its name, or None if the name is not known on every machine."""
    if name in _LOCAL_NAMES:
        return None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None


def normalize_time_zone(name: str) -> str:
    """Return the IANA name of a time zone in its own upper and lower case.

    Raises:
        ValueError: if Python does not know it, or PostgreSQL reads it in another way.
    """
    known = _list_zones().get(name.strip().replace(" ", "_").lower())
    if known is None:
        raise ValueError(f"is not an IANA time zone; {_EXAMPLE}")
    if known in CITY_OF_ZONE:
        city = CITY_OF_ZONE[known]
        raise ValueError(f"is read by PostgreSQL without daylight saving time; use a city, for example {city}")
    return known


@functools.cache  # reads hundreds of files
def _list_zones() -> dict[str, str]:
    """Return the names of the zones by their lower-case form."""
    return {
        name.lower(): name
        for name in available_timezones()
        if name not in _LOCAL_NAMES and not name.startswith(("posix/", "right/"))
    }


_zones_of_database: set[str] = set()
"""Zones that the database of this process knows; asked once for each."""


def require_database_zones(connection: sa.Connection, zones: Iterable[str]) -> None:
    """Check that PostgreSQL knows time zones, before it stores them.

    Raises:
        InvalidInputError: naming a zone that it does not know.
    """
    for zone in sorted(set(zones) - _zones_of_database):
        if not is_known_to_database(connection, zone):
            raise InvalidInputError(f"timezone: '{zone}' is not known to PostgreSQL; use the name of a city near it.")
        _zones_of_database.add(zone)


def is_known_to_database(connection: sa.Connection, zone: str) -> bool:
    """Return whether PostgreSQL knows a time zone."""
    try:
        with connection.begin_nested():
            connection.execute(sa.select(sa.func.timezone(zone, sa.func.now())))
    except DataError:
        return False
    return True
