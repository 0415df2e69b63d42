"""Limit the rate of token requests, and adapt it to Google's responses.

Google publishes no limit for its token endpoint. The rate rises with every response until Google throttles for the
first time. From then on the ceiling is the number of responses within the last second: the rate drops below it
immediately, returns close to it within seconds, stays there, and then probes higher rates at growing speed, in case
the ceiling was temporary (the curve of CUBIC, RFC 9438; halving the rate would leave a quarter of it unused).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque


class RateLimiter:
    """Space requests out over time, for all coroutines of one event loop.

    Args:
        rate: initial requests per second.
        ceiling: requests per second at which Google throttled before, if it did; the rate starts below it.
    """

    MIN_RATE = 0.5
    GROWTH_FACTOR = 1.1
    """Factor by which each response raises the rate before Google throttles for the first time."""
    MAX_OVERSHOOT = 3
    """Maximum rate, as a multiple of the number of responses within the last second."""
    MIN_ANSWERS = 20
    """Minimum number of responses within one second for a measured rate."""
    BACKOFF_FACTOR = 0.9
    """Share of the ceiling to which the rate drops when Google throttles."""
    RECOVERY_SECONDS = 8.0
    """Seconds after a drop until the rate is back at the ceiling."""
    MIN_PAUSE, MAX_PAUSE = 0.2, 8.0
    """Seconds without requests after a throttled one without Retry-After; doubled until a response arrives."""
    SAME_EVENT_SECONDS = 1.2
    """Seconds after a drop in which throttling is the same event: most limits are counted per second."""
    MAX_CATCH_UP_SECONDS = 0.02
    """Seconds by which late turns may catch up: timers are too coarse for a thousand turns per second."""

    def __init__(self, rate: float, *, ceiling: float | None = None) -> None:
        self.rate = rate if ceiling is None else ceiling * self.BACKOFF_FACTOR
        self._ceiling = ceiling
        self._dropped_at = time.monotonic() - self.SAME_EVENT_SECONDS
        self._max_answers = 0
        self._resumed_at = 0.0
        self._pause = self.MIN_PAUSE
        self._next_turn_at = time.monotonic()
        self._answers: deque[float] = deque()
        self._turn_lock = asyncio.Lock()
        self._is_stopped = False

    async def wait_for_turn(self) -> float:
        """Wait until the next request may be sent; return the time by time.monotonic()."""
        async with self._turn_lock:  # one waits for the clock, the others for the lock: a new rate applies immediately
            while (wait := self._next_turn_at - time.monotonic()) > 0 and not self._is_stopped:
                await asyncio.sleep(wait)
            now = time.monotonic()
            self._next_turn_at = max(self._next_turn_at, now - self.MAX_CATCH_UP_SECONDS) + 1 / self.rate
            return now

    def record_answer(self) -> None:
        """Record a response that was not throttled."""
        now = time.monotonic()
        self._answers.append(now)
        self._pause = self.MIN_PAUSE
        self._drop_old_answers(now)
        self._max_answers = max(self._max_answers, len(self._answers))
        if self._ceiling is None:
            # A rate above what the machine can send is meaningless.
            self.rate = min(self.rate * self.GROWTH_FACTOR, max(self.rate, self.MAX_OVERSHOOT * len(self._answers)))
            return
        since = (now - self._dropped_at) / self.RECOVERY_SECONDS - 1
        self.rate = max(self.MIN_RATE, self._ceiling * (1 + (1 - self.BACKOFF_FACTOR) * since**3))

    def record_throttling(self, retry_after: float | None, *, sent: float) -> None:
        """Record a throttled request, and pause all requests.

        Args:
            retry_after: seconds that Google requested to wait, if it did.
            sent: when the request was sent; one from before the last drop says nothing new about the rate.
        """
        now = time.monotonic()
        if retry_after is not None:
            self._next_turn_at = max(self._next_turn_at, now + retry_after)
        elif sent >= self._resumed_at:  # not one of many that were in flight together
            self._resumed_at = self._next_turn_at = max(self._next_turn_at, now + self._pause)
            self._pause = min(self.MAX_PAUSE, 2 * self._pause)
        if now < self._dropped_at + self.SAME_EVENT_SECONDS or sent < self._dropped_at:
            return
        self._drop_old_answers(now)
        answered = float(len(self._answers)) if self._answers else self.rate * self.BACKOFF_FACTOR
        self._ceiling = max(self.MIN_RATE, min(self.rate, answered))
        self.rate = max(self.MIN_RATE, self._ceiling * self.BACKOFF_FACTOR)
        self._dropped_at = now

    def stop_limiting(self) -> None:
        """Let all callers that wait for a turn return: no more requests are sent."""
        self._is_stopped = True

    def get_limit(self) -> tuple[float, float | None]:
        """Return the present rate, and the rate at which Google throttled, if it did."""
        return self.rate, self._ceiling

    def restore_limit(self, rate: float, ceiling: float | None) -> None:
        """Restore an earlier result of ``get_limit``: the throttling since then was not for all requests."""
        self.rate, self._ceiling = rate, ceiling

    @property
    def is_limited(self) -> bool:
        """Return whether Google has throttled."""
        return self._ceiling is not None

    @property
    def measured_rate(self) -> float | None:
        """Return the measured requests per second; None if there were too few responses."""
        return self._ceiling or (float(self._max_answers) if self._max_answers >= self.MIN_ANSWERS else None)

    def _drop_old_answers(self, now: float) -> None:
        while self._answers and self._answers[0] < now - 1:
            self._answers.popleft()
