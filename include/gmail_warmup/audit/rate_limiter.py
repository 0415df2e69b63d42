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


class Pacer:
    """Space requests out over time, for every coroutine of one event loop.

    Args:
        rate: requests a second to begin with.
        ceiling: the limit that was found before, in requests a second, if one was; the pace begins below it.
    """

    FLOOR = 0.5
    UP = 1.1
    """Factor of the pace with each answer, before the first refusal."""
    AHEAD = 3
    """By how many times the pace may exceed what was answered within the last second."""
    FEW = 20
    """So many answers within one second are needed to speak of a pace."""
    DOWN = 0.9
    """Share of the ceiling to go down to, if Google says nothing about a pause."""
    PLATEAU = 8.0
    """Seconds after a refusal until the pace is back at the ceiling."""
    PAUSE, LONGEST_PAUSE = 0.2, 8.0
    """Seconds without a request after a refusal that names no pause; they double while nothing is answered."""
    SAME = 1.2
    """Seconds after a cut in which another refusal is the same event: limits are mostly counted by the second."""
    DEBT = 0.02
    """Seconds by which late turns may catch up: a timer is too coarse for a thousand turns a second."""

    def __init__(self, rate: float, *, ceiling: float | None = None) -> None:
        self.rate = rate if ceiling is None else ceiling * self.DOWN
        self._ceiling = ceiling
        self._cut_at = time.monotonic() - self.SAME
        self._most = 0
        self._resumed_at = 0.0
        self._pause = self.PAUSE
        self._next = time.monotonic()
        self._answers: deque[float] = deque()
        self._turn = asyncio.Lock()

    async def turn(self) -> float:
        """Wait for the next free moment; return it, as time.monotonic() counts."""
        async with self._turn:  # one waits for the clock, the others for it: a new pace holds at once
            while (wait := self._next - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            now = time.monotonic()
            self._next = max(self._next, now - self.DEBT) + 1 / self.rate
            return now

    def answered(self) -> None:
        """Note an answer that was not a refusal."""
        now = time.monotonic()
        self._answers.append(now)
        self._pause = self.PAUSE
        self._forget(now)
        self._most = max(self._most, len(self._answers))
        if self._ceiling is None:
            # Beyond what the machine itself sends, a pace means nothing.
            self.rate = min(self.rate * self.UP, max(self.rate, self.AHEAD * len(self._answers)))
            return
        since = (now - self._cut_at) / self.PLATEAU - 1
        self.rate = max(self.FLOOR, self._ceiling * (1 + (1 - self.DOWN) * since**3))

    def throttled(self, retry_after: float | None, *, sent: float) -> None:
        """Note a refusal; nobody asks again before the pause is over.

        Args:
            sent: when the request was sent; one from before the last cut says nothing new about the pace.
        """
        now = time.monotonic()
        if retry_after is not None:
            self._next = max(self._next, now + retry_after)
        elif sent >= self._resumed_at:  # not one of many that were in flight together
            self._resumed_at = self._next = max(self._next, now + self._pause)
            self._pause = min(self.LONGEST_PAUSE, 2 * self._pause)
        if now < self._cut_at + self.SAME or sent < self._cut_at:
            return
        self._forget(now)
        answered = float(len(self._answers)) if self._answers else self.rate * self.DOWN
        self._ceiling = max(self.FLOOR, min(self.rate, answered))
        self.rate = max(self.FLOOR, self._ceiling * self.DOWN)
        self._cut_at = now

    @property
    def limited(self) -> bool:
        """Tell whether Google has refused for the pace."""
        return self._ceiling is not None

    @property
    def found(self) -> float | None:
        """Return the pace that was found, in requests a second; None if there were too few answers to tell."""
        return self._ceiling or (float(self._most) if self._most >= self.FEW else None)

    def _forget(self, now: float) -> None:
        while self._answers and self._answers[0] < now - 1:
            self._answers.popleft()
