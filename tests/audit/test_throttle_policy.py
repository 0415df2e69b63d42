"""Throttling of single mailboxes and of all requests, told apart on a clock that jumps from timer to timer."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from gmail_warmup.audit import rate_limiter, throttle_policy
from gmail_warmup.audit.rate_limiter import RateLimiter
from gmail_warmup.audit.throttle_policy import ThrottlePolicy

LATENCY = 0.02
IN_FLIGHT = 32
MAILBOXES = range(120)


class JumpingClock:
    """The clock of event loops that never wait: time jumps to the next timer."""

    now = 1000.0

    def new_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop(_JumpingSelector(self))
        loop.time = lambda: self.now  # type: ignore[method-assign]
        return loop


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, clock: JumpingClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._clock.now += timeout or 0
        return super().select(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> JumpingClock:
    clock = JumpingClock()
    for module in (rate_limiter, throttle_policy):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@dataclass
class Google:
    """Answers requests; ``refuses`` returns whether one is throttled."""

    clock: JumpingClock
    refuses: Callable[[int, int], bool]
    """Called with a mailbox and the number of requests within the present second, this one included."""
    retry_after: float | None = None
    requests: Counter[int] = field(default_factory=Counter)
    refusals: int = 0
    _seconds: Counter[int] = field(default_factory=Counter)

    async def answers(self, mailbox: int) -> bool:
        second = int(self.clock.now)
        self._seconds[second] += 1
        refused = self.refuses(mailbox, self._seconds[second])
        self.requests[mailbox] += 1
        self.refusals += refused
        await asyncio.sleep(LATENCY)
        return not refused


@dataclass
class Passed:
    """What a pass came to."""

    answered: set[int]
    set_aside: set[int]
    seconds: float
    limiter: RateLimiter
    policy: ThrottlePolicy


def run_pass(google: Google, mailboxes: Sequence[int] = MAILBOXES, *, rate: float = 5) -> Passed:
    """Probe mailboxes in this order, as the audit's workers do."""

    async def run() -> Passed:
        limiter = RateLimiter(rate)
        passed = Passed(set(), set(), 0.0, limiter, ThrottlePolicy(limiter))
        left = list(reversed(mailboxes))

        async def work() -> None:
            while left and not passed.policy.stop_reason:
                mailbox = left.pop()
                while True:
                    sent = await passed.policy.wait_for_turn()
                    if passed.policy.stop_reason:
                        break
                    if await google.answers(mailbox):
                        passed.policy.record_answer(mailbox, sent=sent)
                        passed.answered.add(mailbox)
                        break
                    if not await passed.policy.wait_for_retry(mailbox, google.retry_after, sent=sent):
                        passed.set_aside.add(mailbox)
                        break

        began = google.clock.now
        async with asyncio.TaskGroup() as workers:
            for _ in range(IN_FLIGHT):
                workers.create_task(work())
        passed.seconds = google.clock.now - began
        return passed

    with asyncio.Runner(loop_factory=google.clock.new_loop) as runner:
        return runner.run(run())


@pytest.mark.parametrize("retry_after", [None, 2, 30, 3600], ids=str)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [3, 6])
def test_mailboxes_with_a_limit_of_their_own_do_not_delay_the_others(
    clock: JumpingClock, share: int, seed: int, retry_after: float | None
):
    mailboxes = random.Random(seed).sample(MAILBOXES, len(MAILBOXES))  # the audit mixes them, too
    throttled = set(range(60, 60 + share))
    clean = run_pass(Google(clock, lambda *_: False), mailboxes)
    google = Google(clock, lambda mailbox, _: mailbox in throttled, retry_after)
    passed = run_pass(google, mailboxes)
    assert passed.set_aside == throttled
    assert passed.answered == set(MAILBOXES) - throttled
    assert passed.seconds <= (1.5 * clean.seconds if retry_after != 2 else clean.seconds + 2.1)
    assert max(google.requests[mailbox] for mailbox in throttled) <= {None: 3, 2: 2}.get(retry_after, 1)
    assert not passed.limiter.is_limited


@pytest.mark.parametrize("retry_after", [None, 30], ids=str)
def test_the_last_mailbox_of_a_pass_does_not_delay_it(clock: JumpingClock, retry_after: float | None):
    clean = run_pass(Google(clock, lambda *_: False))
    throttled = {MAILBOXES[40], MAILBOXES[-1]}
    passed = run_pass(Google(clock, lambda mailbox, _: mailbox in throttled, retry_after))
    assert passed.set_aside == throttled
    assert passed.seconds <= 1.25 * clean.seconds


@pytest.mark.parametrize(("limit", "retry_after"), [(3, None), (50, None), (50, 1), (400, None), (400, 1)])
def test_a_hidden_limit_for_all_is_found_and_hardly_a_mailbox_set_aside(
    clock: JumpingClock, limit: int, retry_after: float | None
):
    mailboxes = range(40 * limit)
    google = Google(clock, lambda _, number: number > limit, retry_after)
    passed = run_pass(google, mailboxes)
    assert passed.limiter.is_limited
    assert passed.seconds < 40 * 1.4
    assert google.refusals < 15 + 0.05 * len(mailboxes)
    assert len(passed.set_aside) < 0.02 * len(mailboxes)
    assert passed.answered | passed.set_aside == set(mailboxes)


def test_a_pause_that_google_requests_of_all_is_kept(clock: JumpingClock):
    until = clock.now + 20
    google = Google(clock, lambda *_: clock.now < until, retry_after=20)
    passed = run_pass(google, range(10), rate=100)
    assert passed.answered == set(range(10))
    assert 20 <= passed.seconds < 25
    assert google.refusals <= 10


def test_a_short_outage_by_throttling_loses_nobody(clock: JumpingClock):
    until = clock.now + 10
    passed = run_pass(Google(clock, lambda *_: clock.now < until))
    assert passed.answered == set(MAILBOXES)


def test_refusals_of_requests_in_flight_together_prove_no_limit_of_single_mailboxes(clock: JumpingClock):
    """Three of ten requests are refused, and nothing is sent afterwards that could show who is meant."""
    until = clock.now + 2
    google = Google(clock, lambda mailbox, _: mailbox in (2, 5, 7) and clock.now < until, retry_after=2)
    assert run_pass(google, range(10), rate=1000).answered == set(range(10))


def test_a_single_mailbox_waits_as_google_requests(clock: JumpingClock):
    until = clock.now + 5
    passed = run_pass(Google(clock, lambda *_: clock.now < until, retry_after=5), [1])
    assert passed.answered == {1}


@pytest.mark.parametrize("retry_after", [None, 5, 45, 86_400], ids=str)
def test_waiting_is_limited_in_total(clock: JumpingClock, retry_after: float | None):
    """Google throttles everything without end."""
    google = Google(clock, lambda *_: True, retry_after)
    passed = run_pass(google)
    assert passed.policy.stop_reason
    assert passed.policy.stop_reason.code == "throttled"
    assert passed.seconds <= ThrottlePolicy.MAX_STALL_SECONDS + 60
    assert google.refusals < 300


def test_answers_in_between_do_not_extend_the_waiting_without_end(clock: JumpingClock):
    """One answer every 20 seconds: the pauses add up."""
    google = Google(clock, lambda *_: int(clock.now) % 20 != 0)
    passed = run_pass(google)
    assert passed.policy.stop_reason
    assert passed.seconds < 2 * ThrottlePolicy.MAX_STALL_SECONDS


def test_refusals_in_a_row_that_were_limits_of_single_mailboxes_slow_nothing_down_afterwards(clock: JumpingClock):
    throttled = set(range(40, 46))
    passed = run_pass(Google(clock, lambda mailbox, _: mailbox in throttled))
    assert not passed.limiter.is_limited
    assert passed.limiter.rate > 20
