"""The pace: found against a limit that says nothing of itself, on a clock that the test turns."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from gmail_warmup.audit import rate_limiter as module
from gmail_warmup.audit.rate_limiter import RateLimiter


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        real = asyncio.sleep

        async def sleep(seconds: float) -> None:
            self.now += seconds
            await real(0)

        monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep, Lock=asyncio.Lock))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def drive(pacer: RateLimiter, clock: Clock, *, limit: int, requests: int) -> tuple[float, int]:
    """Send requests one after the other to an edge that answers ``limit`` a second; return seconds and refusals."""
    started, refused, done, second, used = clock.now, 0, 0, -1, 0
    while done < requests:
        sent = await pacer.wait_for_turn()
        if int(sent) != second:
            second, used = int(sent), 0
        used += 1
        if used > limit:
            refused += 1
            pacer.record_throttling(None, sent=sent)
        else:
            done += 1
            pacer.record_answer()
    return clock.now - started, refused


@pytest.mark.parametrize("limit", [3, 50, 400])
def test_a_hidden_limit_is_found_and_nearly_filled(clock: Clock, limit: int):
    seconds, refused = asyncio.run(drive(RateLimiter(5), clock, limit=limit, requests=60 * limit))
    assert seconds < 60 * 1.25
    assert refused < 15


def test_without_a_limit_the_pace_rises_from_answer_to_answer(clock: Clock):
    seconds, refused = asyncio.run(drive(RateLimiter(5), clock, limit=100_000, requests=5_000))
    assert refused == 0
    assert seconds < 10


def test_a_pause_that_google_asks_for_is_kept(clock: Clock):
    async def run() -> float:
        pacer = RateLimiter(100)
        sent = await pacer.wait_for_turn()
        pacer.record_throttling(30, sent=sent)
        return await pacer.wait_for_turn() - sent

    assert asyncio.run(run()) == pytest.approx(30)


def test_refusals_of_what_was_sent_before_the_cut_count_once(clock: Clock):
    async def run() -> tuple[float, float]:
        pacer = RateLimiter(100)
        sent = [await pacer.wait_for_turn() for _ in range(20)]
        pacer.record_throttling(None, sent=sent[-1])
        once = pacer.rate
        for late in sent[:-1]:
            pacer.record_throttling(None, sent=late)
        return once, pacer.rate

    once, after = asyncio.run(run())
    assert once == after


def test_many_refusals_in_flight_together_are_one_short_pause(clock: Clock):
    async def run() -> float:
        pacer = RateLimiter(100)
        sent = [await pacer.wait_for_turn() for _ in range(50)]
        for when in sent:
            pacer.record_throttling(None, sent=when)
        return await pacer.wait_for_turn() - sent[-1]

    assert asyncio.run(run()) < 2 * RateLimiter.MIN_PAUSE
