"""Probe many grants with many requests in flight.

The pipeline has a bounded length. Leases are taken for about two seconds of work at a time and extended until the
result is written; results are written in batches. An audit that is killed loses only the requests in flight: their
leases end within a minute, and the next run probes only what is missing.

A healthy grant that is refused becomes suspect here; ``audit.decisions`` decides when the whole audit is finished.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from gmail_warmup.audit import rate_store
from gmail_warmup.audit.gmail_prober import GmailProber
from gmail_warmup.audit.grant_prober import DelegatedTokenClient, GrantProber, needs_probe
from gmail_warmup.audit.recorder import ProbeResult, ResultRecorder
from gmail_warmup.audit.results import UNREACHED_OUTCOMES, AuditOutcome, AuditResult
from gmail_warmup.audit.throttle_policy import ThrottlePolicy
from gmail_warmup.audit.token_prober import TokenProber
from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import NULL_METER, Meter
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import MailboxAuth
from gmail_warmup.db.rows import DATA_ERRORS, describe_error
from gmail_warmup.oauth.circuit_breaker import OPENS_IMMEDIATELY, CircuitBreaker
from gmail_warmup.oauth.grant import Actor, StoredGrant
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.leases import GrantLeases
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import OAuthClient, TokenResult

log = logging.getLogger(__name__)

READ_BATCH_SIZE = 500
"""Number of grants read in one query."""
WRITE_BATCH_SIZE, WRITE_WAIT_SECONDS = 200, 0.2
"""Maximum number of results written together, and how long the first one waits for others."""
OUTAGE_WAIT_SECONDS = 60
"""Total seconds that an audit waits for outages to end."""
_MIN_IN_FLIGHT = 8


def ignore_progress(_: int) -> None:
    """Show no progress."""


class Audit:
    """Probe grants.

    Args:
        force: also probe grants that were refreshed recently.
        delegated: requests tokens for delegated mailboxes; without it they are only counted.
    """

    def __init__(
        self,
        store: GrantStore,
        client: OAuthClient,
        settings: Settings,
        *,
        actor: Actor,
        force: bool = False,
        delegated: DelegatedTokenClient | None = None,
        meter: Meter = NULL_METER,
    ) -> None:
        self._store, self._client, self._settings = store, client, settings
        self._force, self._delegated = force, delegated
        self._leases = GrantLeases(store.engine, seconds=settings.refresh_lease)
        self._breaker = CircuitBreaker(store.engine, client.client_id, lease=settings.refresh_lease)
        self._delegated_breaker = (
            CircuitBreaker(store.engine, delegated.breaker_key, lease=settings.refresh_lease) if delegated else None
        )
        self._recorder = ResultRecorder(
            store,
            self._breaker,
            delegated=self._delegated_breaker,
            client_id=client.client_id,
            actor=actor,
            leases=self._leases,
            meter=meter,
        )
        self._tally = self._recorder.tally
        self._blocked: Reason | None = None
        """Why no requests are sent at the moment: the circuit breaker is open, or the client was refused."""
        self._client_refusal: Reason | None = None
        self._outage_wait_left = float(OUTAGE_WAIT_SECONDS)
        self._in_flight: set[int] = set()
        """Ids of the mailboxes that are leased and whose result is not written yet."""

    def run(self, mailbox_ids: Sequence[int], *, progress: Callable[[int], None] = ignore_progress) -> AuditResult:
        """Probe these mailboxes and return the result.

        Args:
            progress: called with the number of mailboxes whose result is known.
        """
        self._progress = progress
        asyncio.run(self._run_pipeline(mailbox_ids))
        result = self._tally.to_result()
        refused = frozenset({self._client.client_id}) if result.app_error else frozenset[str]()
        return dataclasses.replace(result, refused_clients=refused)

    async def _run_pipeline(self, mailbox_ids: Sequence[int]) -> None:
        engine, client_id = self._store.engine, self._client.client_id
        self._rate_limiter = await asyncio.to_thread(
            rate_store.load_rate_limiter, engine, client_id, rate=self._settings.audit_rate
        )
        self._throttle_policy = ThrottlePolicy(self._rate_limiter)
        self._leased: asyncio.Queue[StoredGrant | None] = asyncio.Queue()
        self._probed: asyncio.Queue[ProbeResult | None] = asyncio.Queue(2 * WRITE_BATCH_SIZE)
        workers = range(self._settings.audit_concurrency)
        async with (
            TokenProber(self._client, self._settings) as token_prober,
            GmailProber(self._client.api_endpoint, self._settings) as gmail_prober,
            self._lease_renewal(),
            asyncio.TaskGroup() as writing,
        ):
            prober = self._build_grant_prober(token_prober, gmail_prober)
            writing.create_task(self._write_results())
            async with asyncio.TaskGroup() as probing:
                for _ in workers:
                    probing.create_task(self._run_worker(prober))
                await self._lease_batches(mailbox_ids)
                for _ in workers:
                    self._leased.put_nowait(None)
            await self._probed.put(None)
        await asyncio.to_thread(rate_store.save_rate, engine, client_id, self._rate_limiter)

    def _build_grant_prober(self, token_prober: TokenProber, gmail_prober: GmailProber) -> GrantProber:
        delegated = None
        if self._delegated and self._delegated_breaker:
            delegated = (self._delegated, self._delegated_breaker)
        return GrantProber(
            self._store.cipher,
            token_prober,
            gmail_prober,
            self._throttle_policy,
            delegated=delegated,
            blocked_reason=lambda: self._blocked or self._throttle_policy.stop_reason,
        )

    async def _lease_batches(self, mailbox_ids: Sequence[int]) -> None:
        """Lease the grants to probe, about two seconds of work ahead."""
        for start in range(0, len(mailbox_ids), READ_BATCH_SIZE):
            grants = await asyncio.to_thread(self._store.read_grants, mailbox_ids[start : start + READ_BATCH_SIZE])
            pending = [grant.mailbox_id for grant in grants if self._should_probe(grant)]
            self._progress(self._tally.counts.total())
            # Mailboxes of one domain have neighbouring ids. Mixed, a limit of one domain does not look like a
            # limit for all.
            random.shuffle(pending)
            while pending:
                blocked = await self._wait_for_breaker()
                # Read after the wait: a worker may have received the refusal in the meantime.
                self._blocked = self._client_refusal or self._throttle_policy.stop_reason or blocked
                batch, pending = pending[: self._max_in_flight()], pending[self._max_in_flight() :]
                if self._blocked:
                    self._skip_batch(self._blocked, len(batch))
                else:
                    await self._lease_batch(batch)

    async def _lease_batch(self, batch: list[int]) -> None:
        leased = await asyncio.to_thread(self._leases.take, batch)
        random.shuffle(leased)  # they are in the order of the table
        self._in_flight |= {grant.mailbox_id for grant in leased}
        if len(leased) < len(batch):
            self._tally.counts[AuditOutcome.BEING_REFRESHED] += len(batch) - len(leased)
        for grant in leased:
            self._leased.put_nowait(grant)
        is_breaker_probe = self._breaker.probing
        while self._in_flight and (is_breaker_probe or len(self._in_flight) > self._max_in_flight()):
            await asyncio.sleep(0.01)

    def _should_probe(self, grant: StoredGrant) -> bool:
        supported = grant.auth is not MailboxAuth.DELEGATED or self._delegated is not None
        if supported and needs_probe(grant, skip_within=self._settings.audit_skip_within, force=self._force):
            return True
        self._tally.counts[AuditOutcome.of_state(grant.state)] += 1
        return False

    def _max_in_flight(self) -> int:
        """Return how many grants may be leased at a time; one if it is the probe of an open circuit breaker."""
        if self._breaker.probing:
            return 1
        return max(_MIN_IN_FLIGHT, min(2 * self._settings.audit_concurrency, int(2 * self._rate_limiter.rate)))

    async def _wait_for_breaker(self) -> Reason | None:
        """Return why no requests may be sent, after waiting for an outage to end; None if they may."""
        while True:
            blocked = await asyncio.to_thread(self._breaker.blocked_reason)
            is_throttled = blocked is not None and blocked.category is ResponseCategory.THROTTLED
            if blocked is None or (is_throttled and self._breaker.cooldown_left <= ThrottlePolicy.MAX_STALL_SECONDS):
                return None  # the throttle policy handles a short pause
            if blocked.category is not ResponseCategory.TRANSIENT or self._outage_wait_left <= 0:
                return blocked
            self._outage_wait_left -= 1
            await asyncio.sleep(1)

    def _skip_batch(self, reason: Reason, count: int) -> None:
        if self._tally.stop_reason is None:
            text, code = "The audit stops asking Google: %s %s [%s]", reason.code
            log_event(log, logging.ERROR, text, reason.message, reason.remedy, code, reason_code=code)
        self._tally.stop_reason = reason.code
        self._tally.counts[UNREACHED_OUTCOMES[reason.category]] += count

    async def _run_worker(self, prober: GrantProber) -> None:
        while (grant := await self._leased.get()) is not None:
            probe = await _probe_isolated(prober, grant)
            if probe.token_result.reason.code in OPENS_IMMEDIATELY and not probe.is_delegated:
                self._blocked = self._client_refusal = probe.token_result.reason
            await self._probed.put(probe)

    async def _write_results(self) -> None:
        """Write results in batches until the end of the audit."""
        while batch := await self._next_batch():
            await asyncio.to_thread(self._recorder.record_batch, batch)
            self._in_flight -= {probe.grant.mailbox_id for probe in batch}
            self._progress(self._tally.counts.total())

    async def _next_batch(self) -> list[ProbeResult]:
        """Return the next results; an empty list at the end."""
        if (first := await self._probed.get()) is None:
            return []
        batch, deadline = [first], time.monotonic() + WRITE_WAIT_SECONDS
        while len(batch) < WRITE_BATCH_SIZE:
            try:
                probe = await asyncio.wait_for(self._probed.get(), deadline - time.monotonic())
            except TimeoutError:
                break
            if probe is None:
                self._probed.put_nowait(None)  # for the next call
                break
            batch.append(probe)
        return batch

    @asynccontextmanager
    async def _lease_renewal(self) -> AsyncIterator[None]:
        """Extend the leases in flight until the end, then release those that are left."""
        extending = asyncio.create_task(self._extend_leases())
        try:
            yield
        finally:
            extending.cancel()
            if self._in_flight:
                self._leases.release(self._in_flight)

    async def _extend_leases(self) -> None:
        while True:
            await asyncio.sleep(self._settings.refresh_lease / 3)
            await asyncio.to_thread(self._leases.extend, list(self._in_flight))


async def _probe_isolated(prober: GrantProber, grant: StoredGrant) -> ProbeResult:
    """Probe a grant; a stored value that breaks a rule concerns only this one."""
    try:
        return await prober.probe_grant(grant)
    except DATA_ERRORS as error:
        text, address = "The grant of %s cannot be probed: %s", grant.address
        log_event(log, logging.ERROR, text, address, describe_error(error), mailbox=address)
        result = TokenResult(reason=REASONS["undecryptable"], request_sent=False)
        return ProbeResult(grant=grant, token_result=result)
