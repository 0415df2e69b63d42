"""Sessions: a pure function of mailbox, date and settings; irregular, never at night, right on days of any length."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.core.settings import Settings
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.planning.sessions import find_next_session, is_awake, plan_sessions
from support.plan_kit import build_mailbox

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "UTC")
MONDAY, SUNDAY = date(2026, 11, 30), date(2026, 11, 29)
DEFAULT = Settings()


def mailbox(number: int = 0, zone: str = "Europe/Berlin") -> MailboxRecord:
    return build_mailbox(address=f"box{number}@pool.example", timezone=zone)


def list_gaps(sessions: tuple[datetime, ...]) -> list[float]:
    """Return the minutes between neighbours."""
    return [(later - earlier) / timedelta(minutes=1) for earlier, later in pairwise(sessions)]


def within(sessions: tuple[datetime, ...], zone: str, first: int, last: int) -> tuple[datetime, ...]:
    return tuple(one for one in sessions if first <= one.astimezone(ZoneInfo(zone)).hour < last)


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_has_a_session_each_half_hour_of_work_and_each_two_hours_beside(zone: str):
    for number in range(20):
        working = plan_sessions(mailbox(number, zone), MONDAY, DEFAULT)
        assert len(within(working, zone, 9, 18)) == 18
        assert len(within(working, zone, 7, 9)) == 1
        assert len(within(working, zone, 18, 23)) in (2, 3)
        assert len(plan_sessions(mailbox(number, zone), SUNDAY, DEFAULT)) == 8
        assert list(working) == sorted(working)


@pytest.mark.parametrize(
    ("options", "day", "count"),
    [
        ({"session_interval": 900}, MONDAY, 36 + 4),
        ({"session_interval": 3600}, MONDAY, 9 + 4),
        ({"off_hours_session_interval": 3600}, SUNDAY, 16),
        ({"off_hours_session_interval": 43_200}, SUNDAY, 1),
        ({"night_pause": "none"}, SUNDAY, 12),
        ({"sending_days": "sun"}, SUNDAY, 18 + 4),
        ({"sending_window": "00:00-24:00", "night_pause": "none"}, MONDAY, 48),
        ({"sending_window": "22:00-24:00"}, MONDAY, 8 + 2),  # the last hour is night
        ({"delay_scale": 0.5, "sending_window": "00:00-24:00"}, MONDAY, 96),
        ({"night_pause": "01:00-05:00", "sending_window": "05:00-09:00"}, MONDAY, 1 + 8 + 8),
    ],
)
def test_the_options_decide_how_many_there_are(options: dict[str, str | int | float], day: date, count: int):
    assert len(plan_sessions(mailbox(), day, Settings.model_validate(options))) == count


def test_a_mailbox_has_the_same_sessions_on_every_machine():
    assert [f"{one:%H:%M:%S.%f}" for one in plan_sessions(mailbox(), MONDAY, DEFAULT)[:2]] == [
        "07:01:26.735071",
        "08:12:02.103851",
    ]


def test_sessions_are_irregular_and_differ_by_mailbox_and_day():
    days = [plan_sessions(mailbox(n), MONDAY + timedelta(days=ahead), DEFAULT) for n in range(30) for ahead in range(5)]
    clocks = {f"{one:%H:%M:%S}" for sessions in days for one in sessions}
    assert len(clocks) > 0.9 * sum(map(len, days)), "no two mailboxes or days have the same times"
    gaps = [gap for sessions in days for gap in list_gaps(within(sessions, "Europe/Berlin", 9, 18))]
    assert 12 <= min(gaps) < 15
    assert 45 < max(gaps) <= 48
    assert sum(gaps) / len(gaps) == pytest.approx(30, rel=0.05)


def test_the_first_sessions_of_the_morning_are_spread():
    """After a night something waits in every mailbox: not all of them are entered in one run."""
    first = [plan_sessions(mailbox(number), MONDAY, DEFAULT)[0] for number in range(600)]
    since_seven = [one - datetime(2026, 11, 30, 6, tzinfo=UTC) for one in first]
    runs = [since // timedelta(minutes=10) for since in since_seven]
    assert all(0 <= run <= 7 for run in runs)
    assert max(map(runs.count, range(8))) < 0.25 * len(first)


CLOCK_CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29), 23),
    ("Europe/Berlin", date(2026, 10, 25), 25),
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/New_York", date(2026, 11, 1), 25),
    ("Pacific/Apia", date(2011, 12, 30), 0),
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
]


@pytest.mark.parametrize(("zone", "day", "hours"), CLOCK_CHANGES)
def test_a_day_of_any_length_has_its_sessions(zone: str, day: date, hours: float):
    settings = Settings(night_pause="none", sending_window="00:00-24:00", sending_days="mon,tue,wed,thu,fri,sat,sun")
    sessions = plan_sessions(mailbox(zone=zone), day, settings)
    assert len(sessions) == pytest.approx(2 * hours, abs=1)
    assert all(one.astimezone(ZoneInfo(zone)).date() == day for one in sessions)
    assert all(gap <= 48 for gap in list_gaps(sessions))


@pytest.mark.parametrize(("zone", "day", "hours"), CLOCK_CHANGES)
@pytest.mark.parametrize("night", ["23:00-07:00", "01:00-02:30", "02:30-03:30"])
def test_no_session_is_at_night_on_a_day_of_any_length(zone: str, day: date, hours: float, night: str):
    settings = Settings(night_pause=night)
    assert all(is_awake(mailbox(zone=zone), one, settings) for one in plan_sessions(mailbox(zone=zone), day, settings))
    assert bool(plan_sessions(mailbox(zone=zone), day, settings)) == bool(hours)


@pytest.mark.parametrize(
    ("clock", "night", "awake"),
    [
        ("22:59:59", "23:00-07:00", True),
        ("23:00:00", "23:00-07:00", False),
        ("00:30:00", "23:00-07:00", False),
        ("06:59:59", "23:00-07:00", False),
        ("07:00:00", "23:00-07:00", True),
        ("12:30:00", "12:00-14:00", False),
        ("11:59:00", "12:00-14:00", True),
        ("03:00:00", "none", True),
    ],
)
@pytest.mark.parametrize("zone", ZONES)
def test_the_night_is_that_of_the_mailbox(zone: str, clock: str, night: str, awake: bool):
    at = datetime.fromisoformat(f"2026-11-25T{clock}").replace(tzinfo=ZoneInfo(zone))
    assert is_awake(mailbox(zone=zone), at.astimezone(UTC), Settings(night_pause=night)) == awake


@given(st.integers(0, 2 * 365 * 86400), st.sampled_from(ZONES), st.integers(0, 50))
def test_the_next_session_is_the_first_one_that_is_planned(second: int, zone: str, number: int):
    at, box = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second), mailbox(number, zone)
    today = at.astimezone(ZoneInfo(zone)).date()
    planned = [
        one for ahead in range(-1, 3) for one in plan_sessions(box, today + timedelta(days=ahead), DEFAULT) if one >= at
    ]
    assert find_next_session(box, at, DEFAULT) == planned[0]
    assert find_next_session(box, planned[0], DEFAULT) == planned[0]


@given(st.integers(0, 2 * 365 * 86400), st.sampled_from(ZONES))
def test_a_demonstration_waits_for_no_session(second: int, zone: str):
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    found = find_next_session(mailbox(zone=zone), at, Settings(delay_scale=1e-9))
    assert timedelta(0) <= found - at <= timedelta(milliseconds=1)
