"""A pace for requests: found by going up slowly and down fast.

Google publishes no rate for its token endpoint. The pace rises with every answer until the first refusal. From then on
the ceiling is what was really answered within the last second: the pace drops below it at once, comes back close to it
within seconds, stays there, and then tries more, ever faster, in case the ceiling was only Google's mood (the curve of
CUBIC, RFC 9438, which keeps a link full where halving would leave a quarter of it unused).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque


class RateLimiter:
    """Space requests out over time, for every coroutine of one event loop.

    Args:
        rate: requests a second to begin with.
        ceiling: the limit that was found before, in requests a second, if one was; the pace begins below it.
    """

    MIN_RATE = 0.5
    GROWTH_FACTOR = 1.1
    """Factor of the pace with each answer, before the first refusal."""
    MAX_OVERSHOOT = 3
    """By how many times the pace may exceed what was answered within the last second."""
    MIN_ANSWERS = 20
    """So many answers within one second are needed to speak of a pace."""
    BACKOFF_FACTOR = 0.9
    """Share of the ceiling to go down to, if Google says nothing about a pause."""
    RECOVERY_SECONDS = 8.0
    """Seconds after a refusal until the pace is back at the ceiling."""
    MIN_PAUSE, MAX_PAUSE = 0.2, 8.0
    """Seconds without a request after a refusal that names no pause; they double while nothing is answered."""
    SAME_EVENT_SECONDS = 1.2
    """Seconds after a cut in which another refusal is the same event: limits are mostly counted by the second."""
    MAX_CATCH_UP_SECONDS = 0.02
    """Seconds by which late turns may catch up: a timer is too coarse for a thousand turns a second."""

    def __init__(self, rate: float, *, ceiling: float | None = None) -> None:
        self.rate = rate if ceiling is None else ceiling * self.BACKOFF_FACTOR
        self._ceiling = ceiling
        self._cut_at = time.monotonic() - self.SAME_EVENT_SECONDS
        self._most = 0
        self._resumed_at = 0.0
        self._pause = self.MIN_PAUSE
        self._next = time.monotonic()
        self._answers: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def wait_for_turn(self) -> float:
        """Wait for the next free moment; return it, as time.monotonic() counts."""
        async with self._turn:  # one waits for the clock, the others for it: a new pace holds at once
            while (wait := self._next - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            now = time.monotonic()
            self._next = max(self._next, now - self.MAX_CATCH_UP_SECONDS) + 1 / self.rate
            return now

    def record_answer(self) -> None:
        """Note an answer that was not a refusal."""
        now = time.monotonic()
        self._answers.append(now)
        self._pause = self.MIN_PAUSE
        self._drop_old_answers(now)
        self._most = max(self._most, len(self._answers))
        if self._ceiling is None:
            # Beyond what the machine itself sends, a pace means nothing.
            self.rate = min(self.rate * self.GROWTH_FACTOR, max(self.rate, self.MAX_OVERSHOOT * len(self._answers)))
            return
        since = (now - self._cut_at) / self.RECOVERY_SECONDS - 1
        self.rate = max(self.MIN_RATE, self._ceiling * (1 + (1 - self.BACKOFF_FACTOR) * since**3))

    def record_throttling(self, retry_after: float | None, *, sent: float) -> None:
        """Note a refusal; nobody asks again before the pause is over.

        Args:
            sent: when the request was sent; one from before the last cut says nothing new about the pace.
        """
        now = time.monotonic()
        if retry_after is not None:
            self._next = max(self._next, now + retry_after)
        elif sent >= self._resumed_at:  # not one of many that were in flight together
            self._resumed_at = self._next = max(self._next, now + self._pause)
            self._pause = min(self.MAX_PAUSE, 2 * self._pause)
        if now < self._cut_at + self.SAME_EVENT_SECONDS or sent < self._cut_at:
            return
        self._drop_old_answers(now)
        answered = float(len(self._answers)) if self._answers else self.rate * self.BACKOFF_FACTOR
        self._ceiling = max(self.MIN_RATE, min(self.rate, answered))
        self.rate = max(self.MIN_RATE, self._ceiling * self.BACKOFF_FACTOR)
        self._cut_at = now

    @property
    def is_limited(self) -> bool:
        """Tell whether Google has refused for the pace."""
        return self._ceiling is not None

    @property
    def measured_rate(self) -> float | None:
        """Return the pace that was found, in requests a second; None if there were too few answers to tell."""
        return self._ceiling or (float(self._most) if self._most >= self.MIN_ANSWERS else None)

    def _drop_old_answers(self, now: float) -> None:
        while self._answers and self._answers[0] < now - 1:
            self._answers.popleft()
