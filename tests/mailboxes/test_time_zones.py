"""A time zone of a mailbox is one that Python and PostgreSQL know and read in the same way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes import repository, time_zones
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.time_zones import CITY_OF_ZONE, normalize_time_zone, require_database_zones

CANONICAL = {
    "europe/berlin": "Europe/Berlin", "EUROPE/BERLIN": "Europe/Berlin", " Europe/Berlin ": "Europe/Berlin",
    "America/New York": "America/New_York", "america/argentina/ushuaia": "America/Argentina/Ushuaia", "utc": "UTC",
    "etc/gmt+5": "Etc/GMT+5", "Asia/Kolkata": "Asia/Kolkata", "gb": "GB", "est5edt": "EST5EDT",
}  # fmt: skip


@pytest.mark.parametrize(("given", "name"), CANONICAL.items())
def test_a_name_gets_its_own_case(given: str, name: str):
    assert normalize_time_zone(given) == name


@pytest.mark.parametrize(
    "given", ["localtime", "LocalTime", "Factory", "posixrules", "posix/UTC", "right/UTC", "", "x"]
)
def test_what_depends_on_the_machine_is_refused(given: str):
    with pytest.raises(ValueError, match="is not an IANA time zone; write it like Europe/Berlin"):
        normalize_time_zone(given)


@pytest.mark.parametrize(("given", "city"), CITY_OF_ZONE.items())
def test_a_zone_that_both_read_differently_is_refused_with_a_city(given: str, city: str):
    for name in (given, given.lower()):
        with pytest.raises(ValueError, match=f"use a city, for example {city}"):
            normalize_time_zone(name)
    months = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 13)]
    assert [at.astimezone(ZoneInfo(city)).utcoffset() for at in months] == [
        at.astimezone(ZoneInfo(given)).utcoffset() for at in months
    ]


def test_postgresql_reads_every_accepted_zone_in_the_same_way(database: sa.Engine):
    """No accepted name is one that PostgreSQL reads as an abbreviation."""
    zones = sorted(set(time_zones._list_zones().values()) - CITY_OF_ZONE.keys())
    # A past year: the rules of the present one may be newer than the data of one side.
    months = [datetime(2019, month, 1, 12, tzinfo=UTC) for month in range(1, 13)]
    query = sa.text("SELECT timezone(:zone, at) FROM unnest(CAST(:months AS timestamptz[])) AS at ORDER BY at")
    different = []
    with database.begin() as connection:
        known = set(connection.scalars(sa.text("SELECT name FROM pg_timezone_names")))
        for zone in zones:
            if zone in known:
                read = connection.scalars(query, {"zone": zone, "months": months}).all()
                if read != [at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in months]:
                    different.append(zone)
    assert len(known & set(zones)) > 400
    assert different == []


def test_a_zone_that_the_database_does_not_know_is_refused_before_it_is_stored(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(time_zones._list_zones(), "mars/base", "Mars/Base")
    settings = MailboxSettings(kind="pool", timezone="Mars/Base")
    with database.begin() as connection:
        with pytest.raises(InvalidInputError, match="'Mars/Base' is not known to PostgreSQL"):
            repository.add_or_update(connection, "ada@example.com", settings, actor="test")
        require_database_zones(connection, ["Europe/Berlin", "UTC"])  # the transaction goes on
        assert repository.list_mailboxes(connection) == []


def test_the_database_is_asked_about_a_zone_once(database: sa.Engine):
    asked = []
    sa.event.listen(database, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    with database.begin() as connection:
        for _ in range(3):
            require_database_zones(connection, ["Pacific/Chatham"])
    assert sum("timezone(" in statement for statement in asked) == 1
    assert timedelta(0) == datetime.now(ZoneInfo("UTC")).utcoffset()
