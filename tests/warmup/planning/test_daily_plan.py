"""The daily plan of a sender, with runs at arbitrary times: volume, gap, sending window and hints."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.core.settings import Settings
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.planning.daily_plan import (
    SendingHistory,
    compute_todays_volume,
    find_due_slots,
    find_next_send_time,
    find_next_sending_day,
    is_sending_time,
    plan_todays_slots,
)
from gmail_warmup.warmup.planning.schedules import Schedule
from support.plan_kit import build_mailbox as mailbox

NOW = datetime(2026, 11, 25, 13, tzinfo=UTC)  # a Wednesday
MINUTE = timedelta(minutes=1)


def claimed(history: SendingHistory, number: int, now: datetime, planned: int) -> SendingHistory:
    return replace(history, claimed_slots=(*history.claimed_slots, number), last_claim=now, planned=planned)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
# Days around the clock changes of Berlin, New York and Auckland, and an ordinary day.
DATES = st.sampled_from(
    [date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 8), date(2026, 11, 1), date(2026, 4, 5), date(2026, 11, 25)]
)


@st.composite
def runs(draw: st.DrawFn) -> list[tuple[datetime, str]]:
    """Draw the runs of some days, with outages between them, each with a change of the mailbox before it."""
    at = datetime.combine(draw(DATES), datetime.min.time(), UTC) - timedelta(hours=14)
    drawn = []
    happenings = st.sampled_from([*["nothing"] * 12, "resumed", "throttled", "healthy", "target"])
    for _ in range(draw(st.integers(1, 120))):
        at += draw(st.sampled_from([2, 4, 10, 10, 10, 10, 31, 200, 700])) * MINUTE
        drawn.append((at, draw(happenings)))
    return drawn


@settings(max_examples=150, deadline=None)
@given(runs(), ZONES, st.integers(0, 25), st.sampled_from(["09:00-18:00", "00:00-24:00", "07:30-12:00"]))
def test_whatever_the_runs_volume_gap_and_hours_hold(
    seen: list[tuple[datetime, str]], zone: str, days: int, window: str
) -> None:
    chosen = Settings(sending_window=window)
    sender, history = mailbox(timezone=zone), SendingHistory(days=days)
    today, volumes, claims = None, [], []
    for now, happening in seen:
        sender = changed(sender, happening, now)
        local_date = now.astimezone(sender.zone).date()
        if local_date != today:
            history = SendingHistory(days=history.days + bool(history.claimed_slots), last_claim=history.last_claim)
            today, volumes = local_date, []
        planned = compute_todays_volume(sender, history, now=now, settings=chosen).planned
        slots = find_due_slots(sender, history, now=now, settings=chosen)
        assert len(slots) <= 1, "one at a time, also after an outage"
        for slot in slots:
            assert is_sending_time(Schedule.from_settings(chosen), sender.zone, now=now)
            assert slot.due_at <= now
            assert slot.number not in history.claimed_slots
            if sender.resumed_at:
                assert slot.due_at >= sender.resumed_at
            history = claimed(history, slot.number, now, planned)
            volumes.append(planned)
            claims.append(now)
            assert len(history.claimed_slots) <= min(volumes), "what was planned at any claim of the day"
    for earlier, later in pairwise(claims):
        assert later - earlier >= timedelta(seconds=chosen.min_gap)


def changed(sender: MailboxRecord, happening: str, now: datetime) -> MailboxRecord:
    if happening == "resumed":
        return replace(sender, resumed_at=now)
    if happening == "throttled":
        return replace(sender, band=HealthBand.THROTTLED, band_reason="spam_much", band_since=now)
    if happening == "healthy":
        return replace(sender, band=HealthBand.HEALTHY, band_reason=None)
    if happening == "target":
        return replace(sender, daily_target=60 if sender.daily_target == 7 else 7)
    return sender


@settings(max_examples=150, deadline=None)
@given(runs(), ZONES, st.integers(0, 25))
def test_a_hint_is_never_late(seen: list[tuple[datetime, str]], zone: str, days: int) -> None:
    """Nothing is due before the hint, so a run that reads only hints misses nothing."""
    chosen, sender, history = Settings(), mailbox(timezone=zone), SendingHistory(days=days)
    hint = today = None
    for now, _ in seen:
        local_date = now.astimezone(sender.zone).date()
        if local_date != today:
            history = SendingHistory(days=history.days + bool(history.claimed_slots), last_claim=history.last_claim)
            today = local_date
        slots = find_due_slots(sender, history, now=now, settings=chosen)
        if slots:
            assert hint is None or hint <= now
            planned = compute_todays_volume(sender, history, now=now, settings=chosen).planned
            history = claimed(history, slots[0].number, now, planned)
        if slots or hint is None or hint <= now:
            hint = find_next_send_time(sender, history, now=now, settings=chosen)
            assert hint > now or find_due_slots(sender, history, now=now, settings=chosen)


def test_every_slot_of_a_day_is_sent_by_runs_every_ten_minutes():
    sender, history, sent = mailbox(timezone="Europe/Berlin"), SendingHistory(days=30), []
    now = datetime(2026, 11, 25, 0, 3, tzinfo=UTC)
    while now.date() == date(2026, 11, 25):
        for slot in find_due_slots(sender, history, now=now, settings=Settings()):
            history = claimed(history, slot.number, now, 40)
            sent.append(now - slot.due_at)
        now += 10 * MINUTE
    assert len(sent) == 40
    assert max(sent) <= 10 * MINUTE


def test_a_mailbox_added_in_the_afternoon_sends_its_whole_first_day_in_what_is_left():
    sender = mailbox(created_at=NOW)
    slots = plan_todays_slots(sender, SendingHistory(), now=NOW + MINUTE, settings=Settings())
    assert len(slots) == 5
    assert slots[0].due_at >= NOW


def test_after_a_halt_what_is_left_spreads_over_what_is_left_of_the_hours():
    sender, history = mailbox(), SendingHistory(days=30, claimed_slots=tuple(range(10)), planned=40, halt_ended_at=NOW)
    slots = [slot for slot in plan_todays_slots(sender, history, now=NOW, settings=Settings()) if slot.number >= 10]
    assert all(slot.due_at > NOW for slot in slots)
    assert find_due_slots(sender, history, now=NOW, settings=Settings()) == ()


@pytest.mark.parametrize(
    ("changes", "days", "planned", "lowered_by"),
    [
        ({}, 0, 5, None),
        ({}, 30, 40, None),
        ({"half_volume_on": date(2026, 11, 25)}, 30, 20, "halved"),
        ({"half_volume_on": date(2026, 11, 26)}, 30, 40, None),
        ({"band": HealthBand.THROTTLED, "band_reason": "spam_much", "band_since": NOW}, 30, 28, "spam_much"),
        ({"band": HealthBand.THROTTLED, "band_reason": "spam_much", "band_since": NOW,
          "half_volume_on": date(2026, 11, 25)}, 30, 14, "halved"),
        ({"band": HealthBand.BLOCKED, "band_reason": "spam_mostly"}, 30, 0, "spam_mostly"),
    ],
)  # fmt: skip
def test_the_volume_of_a_day(changes: dict[str, Any], days: int, planned: int, lowered_by: str | None):
    volume = compute_todays_volume(mailbox(**changes), SendingHistory(days=days), now=NOW, settings=Settings())
    assert (volume.planned, volume.reduction_reason) == (planned, lowered_by)


def test_the_volume_is_fixed_at_the_first_claim_and_can_only_be_lowered():
    fixed = SendingHistory(days=3, claimed_slots=(0,), planned=9)
    bigger, slower = mailbox(daily_target=60), mailbox(daily_target=4)
    assert compute_todays_volume(bigger, fixed, now=NOW, settings=Settings(ramp_start=30)).planned == 9
    assert compute_todays_volume(slower, fixed, now=NOW, settings=Settings()).planned == 4


@pytest.mark.parametrize(
    ("changes", "history", "expected"),
    [
        (
            {"band": HealthBand.PAUSED, "band_reason": "spam_too_much", "health_window_start": date(2026, 11, 27)},
            {},
            27,
        ),
        ({}, {"claimed_slots": (0, 1, 2, 3, 4), "planned": 5}, 26),
        ({"band": HealthBand.BLOCKED, "band_reason": "spam_mostly"}, {}, 26),
    ],
)
def test_the_hint_of_a_day_without_a_slot_is_on_the_next_one_that_has_some(
    changes: dict[str, Any], history: dict[str, Any], expected: int
):
    hint = find_next_send_time(mailbox(**changes), SendingHistory(**history), now=NOW, settings=Settings())
    assert hint.day == expected


@pytest.mark.parametrize(("day", "expected"), [(25, 26), (27, 30), (28, 30)])
def test_the_next_sending_day_passes_over_the_weekend(day: int, expected: int):
    found = find_next_sending_day(mailbox(), now=datetime(2026, 11, day, 12, tzinfo=UTC), settings=Settings())
    assert found == date(2026, 11, expected)


def test_hours_follow_the_zone():
    for hour, expected in ((7, False), (8, True), (16, True), (17, False)):
        now = datetime(2026, 11, 25, hour, 30, tzinfo=UTC)
        assert is_sending_time(Schedule.from_settings(Settings()), ZoneInfo("Europe/Berlin"), now=now) is expected
