"""Delays and rates of engagement: bounds and distributions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from math import comb
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.warmup.planning.engagement import (
    MORNING_SPREAD,
    continues_thread,
    delay_until_mark,
    delay_until_read,
    delay_until_reply,
    is_marked_important,
    is_next_selected,
    is_rescued,
    is_starred,
    shift_out_of_night,
)

SEEDS = [f"token-{number}" for number in range(4000)]


def beta_below(share: float, alpha: int, beta: int) -> float:
    """Return the probability that Beta(alpha, beta) is below `share`."""
    size = alpha + beta - 1
    return sum(comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(alpha, size + 1))


@pytest.mark.parametrize(
    ("delay", "low", "high", "alpha", "beta"),
    [(delay_until_read, 30, 600, 2, 5), (delay_until_reply, 300, 1800, 2, 3)],
)
def test_delays_have_the_documented_distribution(
    delay: Callable[[str], timedelta], low: int, high: int, alpha: int, beta: int
) -> None:
    seconds = [delay(seed).total_seconds() for seed in SEEDS]
    assert low <= min(seconds)
    assert max(seconds) <= high
    assert sum(seconds) / len(seconds) == pytest.approx(low + (high - low) * alpha / (alpha + beta), rel=0.03)
    for share in (0.1, 0.25, 0.5, 0.75):
        below = sum(value < low + (high - low) * share for value in seconds) / len(seconds)
        assert below == pytest.approx(beta_below(share, alpha, beta), abs=0.03)


def test_marks_follow_45_to_100_seconds_later_evenly() -> None:
    seconds = [delay_until_mark(seed).total_seconds() for seed in SEEDS]
    assert 45 <= min(seconds) < 46
    assert 99 < max(seconds) <= 100
    assert sum(seconds) / len(seconds) == pytest.approx(72.5, rel=0.02)


@pytest.mark.parametrize("draw", [is_marked_important, is_starred, is_rescued, continues_thread])
@pytest.mark.parametrize("rate", [0, 20, 55, 100])
def test_draws_hold_their_rate(draw: Callable[..., bool], rate: int) -> None:
    drawn = sum(draw(seed, rate=rate) for seed in SEEDS) / len(SEEDS) * 100
    assert drawn == (rate if rate in (0, 100) else pytest.approx(rate, abs=3))


def test_the_draws_of_one_mail_are_independent() -> None:
    both = sum(is_marked_important(seed, rate=50) and is_rescued(seed, rate=50) for seed in SEEDS)
    assert both / len(SEEDS) == pytest.approx(0.25, abs=0.03)
    quick = [seed for seed in SEEDS if delay_until_read(seed) < timedelta(seconds=120)]
    slow = sum(delay_until_reply(seed).total_seconds() for seed in quick) / len(quick)
    assert slow == pytest.approx(900, rel=0.05)


def test_draws_are_the_same_for_ever() -> None:
    assert delay_until_read("token") == delay_until_read("token") == timedelta(microseconds=223_325_064)
    assert delay_until_reply("token") == timedelta(microseconds=1_079_835_313)


@given(st.integers(0, 100), st.integers(1, 400))
def test_a_held_rate_stays_within_one_mail(rate: int, mails: int) -> None:
    done = 0
    for total in range(mails):
        done += is_next_selected(rate=rate, done=done, total=total)
        assert abs(done - rate * (total + 1) / 100) < 1


@given(st.integers(0, 100), st.integers(0, 300), st.data())
def test_a_held_rate_comes_back_from_any_history(rate: int, total: int, data: st.DataObject) -> None:
    done = data.draw(st.integers(0, total))
    error = abs(done - rate * total / 100)
    for _ in range(200):
        done += is_next_selected(rate=rate, done=done, total=total)
        total += 1
        assert abs(done - rate * total / 100) <= max(error, 0.5)
        error = abs(done - rate * total / 100)


@pytest.mark.parametrize("rate", [0, 1, 20, 55, 80, 99, 100])
def test_over_a_hundred_mails_the_rate_is_exact(rate: int) -> None:
    done = 0
    for total in range(100):
        done += is_next_selected(rate=rate, done=done, total=total)
    assert done == rate


NIGHT = (time(23), time(7))
BERLIN, NEW_YORK, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata")


def at(zone: ZoneInfo, *when: int) -> datetime:
    return datetime(*when, tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("zone", "when", "night", "morning"),
    [
        (BERLIN, (2026, 11, 24, 22, 59, 59), NIGHT, None),
        (BERLIN, (2026, 11, 24, 23, 0), NIGHT, (2026, 11, 25, 7, 0)),
        (BERLIN, (2026, 11, 25, 0, 30), NIGHT, (2026, 11, 25, 7, 0)),
        (BERLIN, (2026, 11, 25, 6, 59, 59), NIGHT, (2026, 11, 25, 7, 0)),
        (BERLIN, (2026, 11, 25, 7, 0), NIGHT, None),
        (BERLIN, (2026, 11, 25, 3, 0), None, None),
        (NEW_YORK, (2026, 11, 25, 3, 0), NIGHT, (2026, 11, 25, 7, 0)),
        (KOLKATA, (2026, 12, 31, 23, 45), NIGHT, (2027, 1, 1, 7, 0)),
        (BERLIN, (2026, 11, 25, 12, 30), (time(12), time(14)), (2026, 11, 25, 14, 0)),
        (BERLIN, (2026, 11, 25, 11, 59), (time(12), time(14)), None),
        # clock changes during the night
        (BERLIN, (2026, 3, 28, 23, 30), NIGHT, (2026, 3, 29, 7, 0)),
        (BERLIN, (2026, 10, 24, 23, 30), NIGHT, (2026, 10, 25, 7, 0)),
        (NEW_YORK, (2026, 3, 8, 1, 59), (time(1), time(2, 30)), (2026, 3, 8, 3, 30)),  # there is no half past two
    ],
)
def test_what_falls_into_the_night_waits_for_the_morning(
    zone: ZoneInfo, when: tuple[int, ...], night: tuple[time, time] | None, morning: tuple[int, ...] | None
) -> None:
    moment = at(zone, *when)
    for seed in SEEDS[:50]:
        found = shift_out_of_night(moment, zone=zone, night=night, seed=seed)
        if morning is None:
            assert found == moment
        else:
            assert at(zone, *morning) <= found <= at(zone, *morning) + MORNING_SPREAD


def test_a_morning_is_spread_and_not_bunched() -> None:
    found = sorted(
        shift_out_of_night(at(BERLIN, 2026, 11, 25, 2, 0), zone=BERLIN, night=NIGHT, seed=seed) for seed in SEEDS[:1000]
    )
    per_minute = [sum(abs(one - at(BERLIN, 2026, 11, 25, 7, minute)) < timedelta(seconds=30) for one in found)
                  for minute in range(60)]  # fmt: skip
    assert max(per_minute) < 30
    assert found[-1] - found[0] > timedelta(minutes=85)


@given(st.integers(0, 2 * 365 * 86400), st.sampled_from([BERLIN, NEW_YORK, KOLKATA]))
def test_nothing_is_ever_due_in_the_night_or_earlier_than_drawn(second: int, zone: ZoneInfo) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    found = shift_out_of_night(moment, zone=zone, night=NIGHT, seed="seed")
    assert found >= moment
    assert 7 <= found.astimezone(zone).hour < 23
