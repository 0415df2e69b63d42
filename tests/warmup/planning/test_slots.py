"""The slots of a day: sending window, time zones, shares, gap and volume, for arbitrary input."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.warmup.planning.slots import Slot, plan_slots, select_due_slots

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 11, 23)
MINUTE = timedelta(minutes=1)

# Days of clock changes: forward and back, at 02:00, by half an hour, at midnight, and a skipped day.
CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("America/Santiago", date(2026, 9, 6)),
    ("America/Santiago", date(2026, 4, 4)),
    ("America/Santiago", date(2026, 4, 5)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Apia", date(2011, 12, 31)),
]


def plan(**changes: Any) -> tuple[Slot, ...]:
    usual: dict[str, Any] = {
        "seed": "ada@warm.example",
        "local_date": MONDAY,
        "zone": BERLIN,
        "volume": 10,
        "window": (540, 1080),
        "min_gap": timedelta(minutes=4),
        "open_from": datetime(2000, 1, 1, tzinfo=UTC),
    }
    return plan_slots(**(usual | changes))


@lru_cache(maxsize=64)
def minutes_of_day(local_date: date, zone: ZoneInfo) -> list[tuple[datetime, int]]:
    """Return the minutes (UTC) of a local date, each with its minute of the local day."""
    start = datetime(local_date.year, local_date.month, local_date.day, tzinfo=UTC) - timedelta(hours=16)
    local = ((instant, instant.astimezone(zone)) for instant in (start + MINUTE * index for index in range(56 * 60)))
    return [(instant, wall.hour * 60 + wall.minute) for instant, wall in local if wall.date() == local_date]


def room(case: dict[str, Any]) -> int:
    """Return the number of mails that fit, counted greedily minute by minute: an independent oracle."""
    total, free = 0, case["open_from"]
    for minute, wall in minutes_of_day(case["local_date"], case["zone"]):
        while case["window"][0] <= wall < case["window"][1] and max(free, minute) < minute + MINUTE:
            total += 1
            free = max(free, minute) + case["min_gap"]
    return total


def kind(slot: Slot, zone: ZoneInfo = BERLIN) -> str:
    hour = slot.due_at.astimezone(zone).hour
    return "peak" if hour in (9, 10, 14, 15) else "lunch" if hour in (12, 13) else "normal"


def local_time(day: date, hour: int, minute: int = 0, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    ordinary = st.tuples(
        st.sampled_from(["UTC", "Asia/Kathmandu", "Pacific/Kiritimati", *(name for name, _ in CHANGES)]),
        st.dates(date(2025, 1, 1), date(2027, 12, 31)),
    )
    name, local_date = draw(st.one_of(st.sampled_from(CHANGES), ordinary))
    start, end = sorted((draw(st.integers(0, 1440)), draw(st.integers(0, 1440))))
    midnight = datetime(local_date.year, local_date.month, local_date.day, tzinfo=ZoneInfo(name)).astimezone(UTC)
    offset = timedelta(seconds=draw(st.integers(0, 30 * 3600)), microseconds=draw(st.integers(0, 999_999)))
    return {
        "seed": draw(st.text(max_size=5)),
        "local_date": local_date,
        "zone": ZoneInfo(name),
        "volume": draw(st.integers(0, 150)),
        "window": draw(st.sampled_from([(start, end), (540, 1080), (0, 1440), (420, 1200), (120, 180), (0, 150)])),
        "min_gap": timedelta(seconds=draw(st.one_of(st.integers(20, 1500), st.integers(1500, 20_000)))),
        "open_from": midnight + draw(st.sampled_from([offset, -timedelta(days=9)])),
    }


@settings(max_examples=200, deadline=None)
@given(cases())
def test_a_day_holds_its_volume_in_its_hours_at_its_gap(case: dict[str, Any]) -> None:
    slots = plan(**case)
    assert [slot.number for slot in slots] == list(range(len(slots)))
    for slot in slots:
        wall = slot.due_at.astimezone(case["zone"])
        assert slot.due_at.utcoffset() == timedelta(0)
        assert wall.date() == case["local_date"]
        assert case["window"][0] <= wall.hour * 60 + wall.minute < case["window"][1]
        assert slot.due_at >= case["open_from"]
    for earlier, later in pairwise(slots):
        assert later.due_at - earlier.due_at >= case["min_gap"]
    assert len(slots) == min(case["volume"], room(case))


@settings(max_examples=100, deadline=None)
@given(cases(), st.floats(0.0001, 1))
def test_scale_shrinks_what_is_left_of_the_window(case: dict[str, Any], scale: float) -> None:
    full, scaled = plan(**case), plan(**case, scale=scale)
    assert [slot.number for slot in scaled] == [slot.number for slot in full]
    if not full:
        return
    opening = next(
        max(minute, case["open_from"])
        for minute, wall in minutes_of_day(case["local_date"], case["zone"])
        if case["window"][0] <= wall < case["window"][1] and minute + MINUTE > case["open_from"]
    )
    for before, after in zip(full, scaled, strict=True):
        assert abs(after.due_at - (opening + (before.due_at - opening) * scale)) <= timedelta(microseconds=1)
    for earlier, later in pairwise(scaled):
        assert later.due_at - earlier.due_at >= case["min_gap"] * scale - timedelta(microseconds=2)


@pytest.mark.parametrize("window", [(540, 1080), (420, 1200), (0, 1440)])
@settings(max_examples=60, deadline=None)
@given(seed=st.text(max_size=5), volume=st.integers(1, 60), day=st.integers(0, 4))
def test_shares_are_exact_but_for_rounding(window: tuple[int, int], seed: str, volume: int, day: int) -> None:
    slots = plan(seed=seed, volume=volume, window=window, local_date=MONDAY + timedelta(days=day))
    counts = Counter(kind(slot) for slot in slots)
    for name, percent in (("peak", 60), ("normal", 30), ("lunch", 10)):
        assert abs(counts[name] - volume * percent / 100) < 1
        assert volume % 10 or counts[name] == volume * percent / 100


@pytest.mark.parametrize("volume", [1, 5, 7])
def test_rounded_shares_even_out_over_the_days(volume: int) -> None:
    days = [MONDAY + timedelta(days=index) for index in range(700)]
    counts = Counter(kind(slot) for day in days for slot in plan(local_date=day, volume=volume))
    for name, percent in (("peak", 60), ("normal", 30), ("lunch", 10)):
        assert counts[name] / (7 * volume) == pytest.approx(percent, abs=6 / volume**0.5)


def test_slots_spread_over_all_hours() -> None:
    days = [MONDAY + timedelta(days=index) for index in range(300)]
    hours = Counter(slot.due_at.astimezone(BERLIN).hour for day in days for slot in plan(local_date=day, volume=20))
    expected = {9: 3, 10: 3, 11: 2, 12: 1, 13: 1, 14: 3, 15: 3, 16: 2, 17: 2}
    assert {hour: count / len(days) for hour, count in hours.items()} == pytest.approx(expected, rel=0.2)


def test_a_late_opening_loses_no_mail_and_keeps_the_density_of_the_hours() -> None:
    opening = local_time(MONDAY, 15)
    slots = plan(open_from=opening, volume=40)
    assert len(slots) == 40
    assert slots[0].due_at >= opening
    # One of four peak hours has 15 % of a day's mails, two of three normal ones 20 %.
    counts = Counter(kind(slot) for slot in plan(open_from=opening, volume=14))
    assert counts == {"peak": 6, "normal": 8}


def test_after_the_window_there_are_no_slots() -> None:
    assert plan(open_from=local_time(MONDAY, 18)) == ()
    assert len(plan(open_from=local_time(MONDAY, 17, 59))) == 1


def test_full_hours_pass_their_mails_on() -> None:
    counts = Counter(kind(slot) for slot in plan(volume=120))
    assert counts.total() == 120
    assert counts["peak"] >= 58  # of 60 that fit into four hours at a gap of four minutes
    assert [slot.due_at.astimezone(BERLIN).hour for slot in plan(volume=200)].count(9) == 15


def test_an_opening_before_the_window_changes_nothing() -> None:
    assert plan(open_from=local_time(MONDAY, 9)) == plan()
    assert plan(open_from=local_time(MONDAY, 8, 59)) == plan()
    assert plan(open_from=local_time(MONDAY, 9, 1)) != plan()


def test_jitter_differs_by_seed_and_by_day() -> None:
    def times(**changes: Any) -> tuple[str, ...]:
        return tuple(slot.due_at.strftime("%H:%M:%S.%f") for slot in plan(**changes))

    plans = {times(seed=seed, local_date=MONDAY + timedelta(days=day)) for seed in "abcde" for day in range(5)}
    assert len(plans) == 25


# A change here shifts the mails of every mailbox on the day of the upgrade, so it must not happen unnoticed.
KNOWN = ["2026-11-23T08:24:22.171404+00:00", "2026-11-23T10:53:07.540753+00:00", "2026-11-23T13:19:06.814351+00:00"]


def test_the_same_input_gives_the_same_slots_in_every_process() -> None:
    assert [slot.due_at.isoformat() for slot in plan(volume=3)] == KNOWN
    code = (
        "from datetime import *; from zoneinfo import ZoneInfo\n"
        "from gmail_warmup.warmup.planning.slots import plan_slots\n"
        "print(*(slot.due_at.isoformat() for slot in plan_slots(seed='ada@warm.example', local_date=date(2026, 11, 23),"
        " zone=ZoneInfo('Europe/Berlin'), volume=3, window=(540, 1080), min_gap=timedelta(minutes=4),"
        " open_from=datetime(2000, 1, 1, tzinfo=UTC))))"
    )
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        output = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
        assert output.split() == KNOWN


def test_the_hour_that_the_clocks_skip_has_no_mail_and_the_repeated_one_twice_as_many() -> None:
    def walls(day: date) -> list[datetime]:
        found: list[datetime] = []
        for seed in range(200):
            slots = plan(seed=str(seed), local_date=day, window=(0, 540), volume=20)
            found += [slot.due_at.astimezone(BERLIN) for slot in slots]
        return found

    spring = Counter(wall.hour for wall in walls(date(2026, 3, 29)))
    assert spring[2] == 0
    assert spring[3] == pytest.approx(4000 / 8, rel=0.2)
    autumn = Counter((wall.hour, wall.fold) for wall in walls(date(2026, 10, 25)))
    assert autumn[2, 0] == pytest.approx(4000 / 10, rel=0.2)
    assert autumn[2, 1] == pytest.approx(4000 / 10, rel=0.2)


def test_business_hours_follow_the_wall_clock_over_a_change() -> None:
    for day, opening in ((date(2026, 3, 27), 8), (date(2026, 3, 30), 7)):
        slots = plan(local_date=day, volume=200)
        assert slots[0].due_at.hour == opening
        assert slots[-1].due_at.hour == opening + 8


def test_a_day_that_a_zone_left_out_is_empty() -> None:
    assert plan(zone=ZoneInfo("Pacific/Apia"), local_date=date(2011, 12, 30), window=(0, 1440)) == ()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"open_from": datetime(2026, 11, 23)}, "open_from"),  # noqa: DTZ001
        ({"window": (600, 540)}, "window"),
        ({"window": (540, 1441)}, "window"),
        ({"scale": 0.0}, "scale"),
        ({"scale": 1.5}, "scale"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        plan(**changes)


def test_due_are_the_slots_of_the_past_that_are_not_taken() -> None:
    slots = plan()
    assert select_due_slots(slots, now=slots[0].due_at - timedelta(microseconds=1), claimed=()) == ()
    assert select_due_slots(slots, now=slots[3].due_at, claimed={1, 7}) == (slots[0], slots[2], slots[3])
    assert select_due_slots(slots, now=slots[-1].due_at, claimed=range(10)) == ()
