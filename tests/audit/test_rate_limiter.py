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
        self.lateness = 0.0
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))
        real = asyncio.sleep

        async def sleep(seconds: float) -> None:
            self.now += seconds + self.lateness
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


def test_many_refusals_in_flight_together_are_one_short_pause(clock: Clock):
    async def run() -> float:
        pacer = RateLimiter(100)
        sent = [await pacer.wait_for_turn() for _ in range(50)]
        for when in sent:
            pacer.record_throttling(None, sent=when)
        return await pacer.wait_for_turn() - sent[-1]

    assert asyncio.run(run()) < 2 * RateLimiter.MIN_PAUSE


def test_refusals_of_requests_sent_before_the_cut_do_not_cut_the_rate_again(clock: Clock):
    """Answers may be slow: the refusals arrive long after the cut, but say nothing about the reduced rate."""

    async def run() -> tuple[float, float]:
        limiter = RateLimiter(100)
        sent = [await limiter.wait_for_turn() for _ in range(20)]
        limiter.record_throttling(None, sent=sent[-1])
        reduced = limiter.rate
        for late in sent[:-1]:
            clock.now += 2 * RateLimiter.SAME_EVENT_SECONDS
            limiter.record_throttling(None, sent=late)
        return reduced, limiter.rate

    reduced, after = asyncio.run(run())
    assert after == reduced < 100


def test_refusals_within_the_same_second_cut_the_rate_once(clock: Clock):
    limiter = RateLimiter(100)
    limiter.record_throttling(None, sent=clock.now)
    reduced = limiter.rate
    clock.now += 0.9 * RateLimiter.SAME_EVENT_SECONDS
    limiter.record_throttling(None, sent=clock.now)
    assert limiter.rate == reduced < 100
    clock.now += 0.2 * RateLimiter.SAME_EVENT_SECONDS
    limiter.record_throttling(None, sent=clock.now)
    assert limiter.rate < reduced


def test_pauses_double_while_every_request_is_refused(clock: Clock):
    async def run() -> list[float]:
        limiter = RateLimiter(1000)
        pauses = []
        for _ in range(8):
            sent = await limiter.wait_for_turn()
            limiter.record_throttling(None, sent=sent)
            pauses.append(await limiter.wait_for_turn() - sent)
            clock.now += 10  # this request goes unanswered; the next one is refused
        return pauses

    assert asyncio.run(run()) == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8, 8], abs=0.001)


def test_a_shorter_pause_does_not_replace_a_longer_one(clock: Clock):
    async def run() -> float:
        limiter = RateLimiter(100)
        sent = await limiter.wait_for_turn()
        limiter.record_throttling(30, sent=sent)
        limiter.record_throttling(5, sent=sent)
        return await limiter.wait_for_turn() - sent

    assert asyncio.run(run()) == pytest.approx(30)


def test_a_remembered_limit_is_approached_from_below():
    assert RateLimiter(5, ceiling=100).rate == pytest.approx(90)


def test_a_refusal_reduces_the_rate_below_what_was_answered_in_the_last_second(clock: Clock):
    limiter = RateLimiter(50)
    for _ in range(40):
        clock.now += 0.02
        limiter.record_answer()
    limiter.record_throttling(None, sent=clock.now)
    assert limiter.rate < 40 == limiter.measured_rate


def test_answers_older_than_a_second_do_not_count_as_the_limit(clock: Clock):
    limiter = RateLimiter(50)
    limiter.record_answer()
    before = limiter.rate
    clock.now += 5
    limiter.record_throttling(None, sent=clock.now)
    assert limiter.rate == pytest.approx(before * RateLimiter.BACKOFF_FACTOR**2)


def test_the_rate_returns_to_the_limit_and_then_exceeds_it(clock: Clock):
    limiter = RateLimiter(5, ceiling=100)
    limiter.record_throttling(None, sent=clock.now)
    limit, rates = limiter.measured_rate, []
    assert limit
    for _ in range(4):
        clock.now += RateLimiter.RECOVERY_SECONDS / 2
        limiter.record_answer()
        rates.append(limiter.rate / limit)
    assert 0.95 < rates[0] < rates[1] == pytest.approx(1)
    assert 1 < rates[2] < rates[3] < 1.2


def test_the_rate_stays_near_what_is_answered(clock: Clock):
    """Two answers a second come back, however often they come: a high rate would only fill the queue."""
    limiter = RateLimiter(5)
    for _ in range(100):
        clock.now += 0.5
        limiter.record_answer()
    assert limiter.rate <= 3 * RateLimiter.MAX_OVERSHOOT


def test_a_few_answers_are_no_measurement():
    limiter = RateLimiter(5)
    for _ in range(19):
        limiter.record_answer()
    assert limiter.measured_rate is None
    limiter.record_answer()
    assert limiter.measured_rate == 20


def test_the_rate_never_reaches_zero(clock: Clock):
    limiter = RateLimiter(2)
    for _ in range(50):
        clock.now += 10
        limiter.record_throttling(None, sent=clock.now)
        assert limiter.rate >= RateLimiter.MIN_RATE
        limiter.record_answer()
        assert limiter.rate >= RateLimiter.MIN_RATE


def test_turns_missed_during_a_stall_are_not_made_up_in_a_burst(clock: Clock):
    async def run() -> int:
        limiter = RateLimiter(100)
        await limiter.wait_for_turn()
        clock.now = stalled_until = clock.now + 60
        burst = 0
        while await limiter.wait_for_turn() == stalled_until:
            burst += 1
        return burst

    assert asyncio.run(run()) <= 1 + 100 * RateLimiter.MAX_CATCH_UP_SECONDS


def test_a_coarse_timer_does_not_lower_the_rate(clock: Clock):
    async def run() -> float:
        limiter, started = RateLimiter(1000), clock.now
        for _ in range(500):
            await limiter.wait_for_turn()
        return clock.now - started

    clock.lateness = 0.005
    assert asyncio.run(run()) < 0.6


def test_a_refusal_never_raises_the_rate(clock: Clock):
    """Answers to older requests may arrive together, more of them than the current rate allows."""
    limiter = RateLimiter(5, ceiling=10)
    for _ in range(100):
        limiter.record_answer()
    before = limiter.rate
    limiter.record_throttling(None, sent=clock.now)
    assert limiter.rate < before
