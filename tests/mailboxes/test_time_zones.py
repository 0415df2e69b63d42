"""A time zone of a mailbox is one that Python and PostgreSQL know and read in the same way."""

from __future__ import annotations

import copy
import os
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest
import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes import repository, time_zones
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.time_zones import normalize_time_zone, require_database_zones
from gmail_warmup.mailboxes.zone_comparison import CITY_OF_ZONE, find_differences, is_read_as_abbreviation
from gmail_warmup.mailboxes.zone_data import find_zone, list_zones

CANONICAL = {
    "europe/berlin": "Europe/Berlin", "EUROPE/BERLIN": "Europe/Berlin", " Europe/Berlin ": "Europe/Berlin",
    "America/New York": "America/New_York", "america/argentina/ushuaia": "America/Argentina/Ushuaia", "utc": "UTC",
    "etc/gmt+5": "Etc/GMT+5", "Asia/Kolkata": "Asia/Kolkata", "gb": "GB", "est5edt": "EST5EDT",
}  # fmt: skip


@pytest.mark.parametrize(("given", "name"), CANONICAL.items())
def test_a_name_gets_its_own_case(given: str, name: str):
    assert normalize_time_zone(given) == name


@pytest.mark.parametrize(
    "given", ["localtime", "LocalTime", "Factory", "posixrules", "posix/UTC", "right/UTC", "", "x", "CEST", "UTC+2"]
)
def test_what_depends_on_the_machine_is_refused(given: str):
    with pytest.raises(ValueError, match="is not an IANA time zone; write it like Europe/Berlin"):
        normalize_time_zone(given)


@pytest.mark.parametrize(
    ("given", "zone"),
    [("UTC+2", "Etc/GMT-2 for UTC+2"), ("gmt+05:00", "Etc/GMT-5"), ("UTC-8", "Etc/GMT+8 for UTC-8 all year")],
)
def test_a_fixed_offset_is_refused_with_the_zone_of_the_reversed_sign(given: str, zone: str):
    with pytest.raises(ValueError, match=re.escape(zone)):
        normalize_time_zone(given)


@pytest.mark.parametrize(("given", "city"), CITY_OF_ZONE.items())
def test_a_zone_that_both_read_differently_is_refused_with_a_city(given: str, city: str):
    for name in (given, given.lower()):
        with pytest.raises(ValueError, match=f"use a city, for example {city}"):
            normalize_time_zone(name)
    months = [datetime(2026, month, 1, tzinfo=UTC) for month in range(1, 13)]
    assert [at.astimezone(find_zone(city)).utcoffset() for at in months] == [
        at.astimezone(find_zone(given)).utcoffset() for at in months
    ]


def test_the_locked_data_counts_and_not_that_of_the_machine(tmp_path: Path):
    """A folder of zones as an older system has them: America/Vancouver with the hours of Tokyo."""
    (tmp_path / "America").mkdir()
    tokyo = resources.files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    (tmp_path / "America" / "Vancouver").write_bytes(tokyo)
    code = (
        "from datetime import *; from zoneinfo import ZoneInfo; from gmail_warmup.mailboxes.zone_data import find_zone;"
        "at = datetime(2027, 1, 1, tzinfo=UTC); names = ('America/Vancouver', 'Europe/Berlin');"
        "zones = [ZoneInfo(names[0]), *map(find_zone, names)];"
        "print(*(int(at.astimezone(zone).utcoffset().total_seconds()) for zone in zones))"
    )
    environment = os.environ | {"PYTHONTZPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    machine, locked, berlin = map(int, done.stdout.split())
    assert (machine, berlin) == (9 * 3600, 3600)
    assert locked < 0


def test_a_zone_is_copied_and_sent_to_another_process():
    berlin = find_zone("Europe/Berlin")
    assert copy.deepcopy(datetime(2026, 1, 1, tzinfo=berlin)).tzinfo is berlin
    assert pickle.loads(pickle.dumps(berlin)) is berlin


def test_postgresql_reads_no_accepted_name_as_an_abbreviation(database: sa.Engine):
    with database.begin() as connection:
        names = sorted(list_zones() - CITY_OF_ZONE.keys())
        short = [name for name in names if "/" not in name]
        assert {"EST", "MST", "HST", "EST5EDT", "PST8PDT", "GMT+0"} <= {*short}
        assert [name for name in short if is_read_as_abbreviation(connection, name)] == []
        known = set(connection.scalars(sa.text("SELECT name FROM pg_timezone_names")))
        abbreviations = set(connection.scalars(sa.text("SELECT abbrev FROM pg_timezone_abbrevs")))
    assert len(known & set(names)) > 400
    assert [name for name in names if "/" in name and name.upper() in abbreviations] == []


@pytest.mark.parametrize("zone", CITY_OF_ZONE)
def test_a_stored_abbreviation_differs_in_summer(database: sa.Engine, zone: str):
    with database.begin() as connection:
        found = find_differences(connection, zone)
        assert {period.minutes for period in found} == {-60}
        assert len(found) in (2, 3)
        assert find_differences(connection, CITY_OF_ZONE[zone]) == []


def test_an_abbreviation_of_this_database_is_refused_with_a_city(database: sa.Engine):
    """PostgreSQL's setting for Australia reads EST as UTC+10."""
    with database.begin() as connection:
        connection.execute(sa.text("SET LOCAL timezone_abbreviations = 'Australia'"))
        with pytest.raises(InvalidInputError, match=r"'EST' is read by PostgreSQL as an abbreviation; use a city .*/"):
            require_database_zones(connection, ["EST"])


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
