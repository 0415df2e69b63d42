"""A pace for requests: found by going up slowly and down fast."""

from __future__ import annotations

import asyncio
import time


class Pacer:
    """Space requests out over time, for every coroutine of one event loop.

    Google publishes no rate for its token endpoint, so the pace rises by a small share with every answer that is not
    a refusal, and halves with a refusal, after the pause that ``Retry-After`` asks for.
    """

    UP, DOWN, FLOOR = 1.02, 0.5, 0.5

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._next = time.monotonic()

    async def turn(self) -> None:
        """Wait for the next free moment."""
        now = time.monotonic()
        at = max(self._next, now)
        self._next = at + 1 / self.rate
        if at > now:
            await asyncio.sleep(at - now)

    def answered(self) -> None:
        """Note an answer that was not a refusal."""
        self.rate *= self.UP

    def throttled(self, retry_after: float | None) -> None:
        """Note a refusal; nobody asks again before the pause is over."""
        self.rate = max(self.FLOOR, self.rate * self.DOWN)
        self._next = max(self._next, time.monotonic() + (1.0 if retry_after is None else retry_after))
