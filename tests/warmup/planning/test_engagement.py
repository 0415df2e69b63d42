"""Delays and rates of engagement: bounds and distributions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.warmup.planning.engagement import (
    continues_thread,
    delay_until_reply,
    is_marked_important,
    is_next_selected,
    is_rescued,
    is_starred,
)

SEEDS = [f"token-{number}" for number in range(4000)]


def beta_below(share: float, alpha: int, beta: int) -> float:
    """Return the probability that Beta(alpha, beta) is below `share`."""
    size = alpha + beta - 1
    return sum(comb(size, k) * share**k * (1 - share) ** (size - k) for k in range(alpha, size + 1))


def test_replies_have_the_documented_distribution() -> None:
    low, high, alpha, beta = 300, 1800, 2, 3
    seconds = [delay_until_reply(seed).total_seconds() for seed in SEEDS]
    assert low <= min(seconds)
    assert max(seconds) <= high
    assert sum(seconds) / len(seconds) == pytest.approx(low + (high - low) * alpha / (alpha + beta), rel=0.03)
    for share in (0.1, 0.25, 0.5, 0.75):
        below = sum(value < low + (high - low) * share for value in seconds) / len(seconds)
        assert below == pytest.approx(beta_below(share, alpha, beta), abs=0.03)


@pytest.mark.parametrize("draw", [is_marked_important, is_starred, is_rescued, continues_thread])
@pytest.mark.parametrize("rate", [0, 20, 55, 100])
def test_draws_hold_their_rate(draw: Callable[..., bool], rate: int) -> None:
    drawn = sum(draw(seed, rate=rate) for seed in SEEDS) / len(SEEDS) * 100
    assert drawn == (rate if rate in (0, 100) else pytest.approx(rate, abs=3))


def test_the_draws_of_one_mail_are_independent() -> None:
    both = sum(is_marked_important(seed, rate=50) and is_rescued(seed, rate=50) for seed in SEEDS)
    assert both / len(SEEDS) == pytest.approx(0.25, abs=0.03)
    marked = [seed for seed in SEEDS if is_marked_important(seed, rate=50)]
    slow = sum(delay_until_reply(seed).total_seconds() for seed in marked) / len(marked)
    assert slow == pytest.approx(900, rel=0.05)


def test_draws_are_the_same_for_ever() -> None:
    assert delay_until_reply("token") == delay_until_reply("token") == timedelta(microseconds=1_079_835_313)


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
