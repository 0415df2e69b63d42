"""Decide whether a throttled response concerns one mailbox or all requests.

Google does not name the limit that a request exceeded, but the responses for other mailboxes show it:

- Several mailboxes in a row are refused for the first time, or a refused mailbox is answered after a short pause: the
  limit applies to all requests, so the rate limiter slows all of them down.
- A mailbox is refused although others are answered: the limit is its own. It is set aside after a few refusals, so that
  the others need not wait for it; the second pass probes it again.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from gmail_warmup.audit.rate_limiter import RateLimiter
from gmail_warmup.oauth.reasons import REASONS, Reason


@dataclass(kw_only=True)
class _Refusals:
    """The refusals of a mailbox that was not answered yet."""

    first_sent: float
    """When the request that was refused first was sent."""
    first_at: float
    """When it was refused."""
    count: int = 0
    waited_seconds: float = 0.0


class ThrottlePolicy:
    """Record answers and refusals, and decide when a refused mailbox is tried again.

    Attributes:
        stop_reason: why the pass sends no more requests, if throttling kept it from any answer for too long.
    """

    FOR_ALL_IN_ROW = 3
    """Number of mailboxes in a row whose first refusal shows a limit for all."""
    MAX_OWN_REFUSALS = 3
    """Number of refusals after which a mailbox is set aside if the limit is its own."""
    MAX_OWN_WAIT, MAX_LATER_OWN_WAIT = 2.0, 0.5
    """Total seconds that such a mailbox waits: until one was set aside, and from then on."""
    MIN_PAUSE, MAX_PAUSE = 0.1, 8.0
    """Seconds until a refused mailbox is tried again without Retry-After; doubled with each refusal."""
    MAX_STALL_SECONDS = 60.0
    """Total seconds that a pass waits without any answer because of throttling."""

    def __init__(self, rate_limiter: RateLimiter) -> None:
        self.stop_reason: Reason | None = None
        self._rate_limiter = rate_limiter
        self._refused: dict[int, _Refusals] = {}
        self._first_refused: set[int] = set()
        """Mailboxes that were refused for the first time since the last answer."""
        self._needed_in_row = self.FOR_ALL_IN_ROW
        self._blamed: set[int] = set()
        """Mailboxes whose refusals slowed all requests down and whose own limit is not shown yet."""
        self._limit_before = rate_limiter.get_limit()
        self._has_set_aside = False
        self._answered_sent: float | None = None
        """When the latest request that was answered was sent."""
        self._stall_seconds = 0.0
        self._stalled_since: float | None = None

    async def wait_for_turn(self) -> float:
        """Wait until the next request may be sent; return the time by time.monotonic()."""
        return await self._rate_limiter.wait_for_turn()

    def record_answer(self, mailbox_id: int, *, sent: float) -> None:
        """Record a response that was not throttled, for a request that was sent at this time."""
        refusals = self._refused.pop(mailbox_id, None)
        if refusals:  # the mailbox only had to wait, so the limit applies to all
            self._rate_limiter.record_throttling(None, sent=refusals.first_sent)
            self._blamed.clear()
        self._rate_limiter.record_answer()
        now = time.monotonic()
        if self._stalled_since is not None:
            self._stall_seconds, self._stalled_since = self._stall_seconds + now - self._stalled_since, None
        self._first_refused.clear()
        self._answered_sent = sent if self._answered_sent is None else max(self._answered_sent, sent)

    async def wait_for_retry(self, mailbox_id: int, retry_after: float | None, *, sent: float) -> bool:
        """Record a throttled response, and wait until the mailbox may be tried again.

        Args:
            retry_after: seconds that Google requested to wait, if it did.
            sent: when the request was sent, by time.monotonic().

        Returns:
            Whether to try again; False if the mailbox is set aside or the pass sends no more requests.
        """
        refusals = self._record_refusal(mailbox_id, sent)
        pause = min(self.MAX_PAUSE, self.MIN_PAUSE * 2 ** (refusals.count - 1)) if retry_after is None else retry_after
        until = time.monotonic() + pause
        if self._limits_all and (refusals.count == 1 or retry_after is not None):
            self._slow_down(retry_after, sent=sent)
        while not self.stop_reason and (wait := until - time.monotonic()) > 0:
            await asyncio.sleep(min(wait, self.MIN_PAUSE))
            if self._exceeds_own_limit(mailbox_id, refusals, pause):
                self._set_aside(mailbox_id)
                return False
            if self._get_stall_seconds() > self.MAX_STALL_SECONDS:
                self._stop_pass()
        refusals.waited_seconds += pause
        return self.stop_reason is None

    def _record_refusal(self, mailbox_id: int, sent: float) -> _Refusals:
        now = time.monotonic()
        if self._stalled_since is None:
            self._stalled_since = now
        refusals = self._refused.get(mailbox_id)
        if refusals is None:
            refusals = self._refused[mailbox_id] = _Refusals(first_sent=sent, first_at=now)
            self._first_refused.add(mailbox_id)
        elif not self._limits_all:
            self._clear_blame(mailbox_id)
        refusals.count += 1
        return refusals

    @property
    def _limits_all(self) -> bool:
        return len(self._first_refused) >= self._needed_in_row

    def _slow_down(self, retry_after: float | None, *, sent: float) -> None:
        """Slow all requests down, or stop the pass if Google requests a longer pause than is left."""
        if retry_after is not None and self._get_stall_seconds() + retry_after > self.MAX_STALL_SECONDS:
            self._stop_pass()
            return
        if not self._blamed:
            self._limit_before = self._rate_limiter.get_limit()
        self._blamed |= self._first_refused
        self._rate_limiter.record_throttling(retry_after, sent=sent)

    def _set_aside(self, mailbox_id: int) -> None:
        del self._refused[mailbox_id]
        self._clear_blame(mailbox_id)
        self._has_set_aside = True

    def _clear_blame(self, mailbox_id: int) -> None:
        """Note that a mailbox has a limit of its own; if only such mailboxes slowed all requests down, undo that."""
        if mailbox_id in self._blamed:
            self._blamed.remove(mailbox_id)
            if not self._blamed:
                self._rate_limiter.restore_limit(*self._limit_before)
                self._needed_in_row += 1

    def _exceeds_own_limit(self, mailbox_id: int, refusals: _Refusals, pause: float) -> bool:
        """Return whether a mailbox has a limit of its own and was tried often enough."""
        if self._answered_sent is None:
            return False
        # So many refusals without an answer between them occur only when few mailboxes are left in the pass.
        if refusals.count >= self.MAX_OWN_REFUSALS:
            return True
        patience = self.MAX_LATER_OWN_WAIT if self._has_set_aside else self.MAX_OWN_WAIT
        if mailbox_id in self._blamed or refusals.waited_seconds + pause <= patience:
            return False
        return self._has_set_aside or self._answered_sent > refusals.first_at

    def _get_stall_seconds(self) -> float:
        current = 0.0 if self._stalled_since is None else time.monotonic() - self._stalled_since
        return self._stall_seconds + current

    def _stop_pass(self) -> None:
        self.stop_reason = REASONS["throttled"]
        self._rate_limiter.stop_limiting()
