"""Compare the time zones of the locked data with those of the database, hour by hour over the next two years."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import DataError

from gmail_warmup.db.clock import get_current_time
from gmail_warmup.mailboxes.zone_data import find_zone, list_zones

CITY_OF_ZONE = {"CET": "Europe/Brussels", "EET": "Europe/Athens", "MET": "Europe/Brussels", "WET": "Europe/Lisbon"}
"""Zones that PostgreSQL reads as abbreviations without daylight saving time, and a city with the same hours."""

_COMPARED_HOURS = 2 * 366 * 24
_HOUR = timedelta(hours=1)

_SELECT_OFFSETS = sa.text(
    "SELECT array_agg(extract(epoch FROM timezone(:zone, at) - timezone('UTC', at))::int ORDER BY at) "
    "FROM generate_series(CAST(:first AS timestamptz), CAST(:last AS timestamptz), interval '1 hour') AS at"
)
_IS_ABBREVIATION = sa.text("SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_timezone_abbrevs WHERE abbrev = upper(:zone))")


@dataclass(frozen=True, kw_only=True)
class ZoneDifference:
    """A period in which the local times of Python and of PostgreSQL differ."""

    start: datetime
    end: datetime
    minutes: int
    """Minutes by which PostgreSQL's local time is ahead of Python's; negative if it is behind."""

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        direction = "ahead" if self.minutes > 0 else "behind"
        return f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d} {abs(self.minutes)} minutes {direction}"


def is_known_to_database(connection: sa.Connection, zone: str) -> bool:
    """Return whether PostgreSQL knows a time zone."""
    try:
        with connection.begin_nested():
            connection.execute(sa.select(sa.func.timezone(zone, sa.func.now())))
    except DataError:
        return False
    return True


def is_read_as_abbreviation(connection: sa.Connection, zone: str) -> bool:
    """Return whether PostgreSQL reads a name as an abbreviation with another meaning than the zone of this name."""
    return zone in CITY_OF_ZONE or bool(
        connection.scalar(_IS_ABBREVIATION, {"zone": zone}) and find_differences(connection, zone)
    )


def describe_refusal(connection: sa.Connection, zone: str) -> str | None:
    """Return why a zone cannot be stored, with a city to use; None if it can."""
    if not is_known_to_database(connection, zone):
        return f"is not known to PostgreSQL; use {_name_city(connection, zone)}"
    if is_read_as_abbreviation(connection, zone):
        return f"is read by PostgreSQL as an abbreviation; use {_name_city(connection, zone)}"
    return None


def find_differences(connection: sa.Connection, zone: str) -> list[ZoneDifference]:
    """Return the periods of the next two years in which the database reads a zone differently.

    Args:
        zone: a zone that the database knows.
    """
    known = find_zone(zone)
    if known is None:
        return []
    first = get_current_time(connection).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [first + number * _HOUR for number in range(_COMPARED_HOURS)]
    offsets = connection.scalar(_SELECT_OFFSETS, {"zone": zone, "first": hours[0], "last": hours[-1]})
    return _group_differences(
        hours, [there - here for there, here in zip(offsets, _get_offsets(known, hours), strict=True)]
    )


def _get_offsets(zone: ZoneInfo, hours: Sequence[datetime]) -> list[int]:
    offsets = (hour.astimezone(zone).utcoffset() or timedelta() for hour in hours)
    return [int(offset.total_seconds()) for offset in offsets]


def _group_differences(hours: Sequence[datetime], seconds: Sequence[int]) -> list[ZoneDifference]:
    found = []
    for difference, group in groupby(zip(hours, seconds, strict=True), key=lambda pair: pair[1]):
        period = [hour for hour, _ in group]
        if difference:
            found.append(ZoneDifference(start=period[0], end=period[-1] + _HOUR, minutes=round(difference / 60)))
    return found


def _name_city(connection: sa.Connection, zone: str) -> str:
    """Return a city with the same hours that the database knows."""
    for city in _list_alike(zone, get_current_time(connection)):
        if is_known_to_database(connection, city) and not find_differences(connection, city):
            return f"a city with the same hours, for example {city}"
    return "the name of a city near it"


def _list_alike(zone: str, now: datetime) -> Iterator[str]:
    """Yield the cities that have the hours of a zone for the next year."""
    wanted = find_zone(zone)
    days = [now + timedelta(days=number) for number in range(0, 366, 7)]
    for city in sorted(name for name in list_zones() - {zone} if "/" in name and not name.startswith("Etc/")):
        candidate = find_zone(city)
        if wanted and candidate and _get_offsets(candidate, days) == _get_offsets(wanted, days):
            yield city
