"""The audit: every grant probed, with many requests in flight.

A pipeline of bounded length: leases are taken for about two seconds of work at a time and held for longer while they
are in hand, answers are written many at a time as they come. So an audit that is killed in the middle loses what was in
flight, its leases end within a minute, and run again it asks only about what is missing.

A healthy grant that is refused becomes suspect here; ``grants.verdicts`` decides when the whole audit is in.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from gmail_warmup.audit import rate_store
from gmail_warmup.audit.results import UNREACHED_COUNT_NAMES, AuditResult, ProbeResult, ResultRecorder
from gmail_warmup.audit.token_prober import TokenProber
from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.errors import CiphertextError, ConfigurationError
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import NULL_METER, Meter
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import GrantState, MailboxAuth
from gmail_warmup.oauth.access_tokens import find_preflight_refusal
from gmail_warmup.oauth.circuit_breaker import OPENS_IMMEDIATELY, CircuitBreaker
from gmail_warmup.oauth.grant_store import Actor, GrantStore, StoredGrant
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import OAuthClient, TokenResult

log = logging.getLogger(__name__)

READ_BATCH_SIZE = 500
"""Grants read at once."""
WRITE_BATCH_SIZE, WRITE_WAIT_SECONDS = 200, 0.2
"""Results written at once, and for how long one waits for others."""
OUTAGE_WAIT_SECONDS = 60
"""Seconds for which an audit waits, all in all, for an outage to end."""


class DelegatedTokenClient(Protocol):
    """Asks Google for access tokens of delegated mailboxes."""

    @property
    def breaker_key(self) -> str:
        """Return what the service account's breaker is kept under."""

    def request_token(self, address: str) -> TokenResult:
        """Ask for one mailbox."""


def needs_probe(grant: StoredGrant, *, skip_within: int, force: bool) -> bool:
    """Tell whether Google has to be asked about a grant; a flagged one is left alone until its probe is due."""
    if grant.state in (GrantState.NEEDS_REAUTH, GrantState.ACCOUNT_DELETED):
        return False
    if grant.state in (GrantState.BLOCKED_BY_ADMIN, GrantState.DISABLED, GrantState.SUSPECT):
        return grant.next_probe_at is None or grant.next_probe_at <= grant.now
    if force or grant.refreshed_at is None:
        return True
    return (grant.now - grant.refreshed_at).total_seconds() >= skip_within


class Audit:
    """Probe grants.

    Args:
        force: ask Google also about grants that were refreshed lately.
        delegated: asks about delegated mailboxes; without it they are only counted.
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
        self._holder, self._lease = uuid.uuid4().hex, settings.refresh_lease
        self._breaker = CircuitBreaker(store.engine, client.client_id, lease=self._lease)
        self._service_account = (
            CircuitBreaker(store.engine, delegated.breaker_key, lease=self._lease) if delegated else None
        )
        self._findings = ResultRecorder(
            store,
            self._breaker,
            delegated=self._service_account,
            client_id=client.client_id,
            actor=actor,
            holder=self._holder,
            meter=meter,
        )
        self._closed: Reason | None = None
        self._refused: Reason | None = None
        self._patience = float(OUTAGE_WAIT_SECONDS)
        self._in_hand: set[int] = set()

    def run(self, mailbox_ids: Sequence[int]) -> AuditResult:
        """Probe these mailboxes and return what was found."""
        asyncio.run(self._run_pipeline(mailbox_ids))
        return self._findings.result

    async def _run_pipeline(self, mailbox_ids: Sequence[int]) -> None:
        engine, client_id = self._store.engine, self._client.client_id
        self._pacer = await asyncio.to_thread(
            rate_store.load_rate_limiter, engine, client_id, rate=self._settings.audit_rate
        )
        self._todo: asyncio.Queue[StoredGrant | None] = asyncio.Queue()
        self._done: asyncio.Queue[ProbeResult | None] = asyncio.Queue(2 * WRITE_BATCH_SIZE)
        workers = range(self._settings.audit_concurrency)
        async with (
            TokenProber(self._client, self._settings, self._pacer) as self._prober,
            self._lease_renewal(),
            asyncio.TaskGroup() as writing,
        ):
            writing.create_task(self._write_results())
            async with asyncio.TaskGroup() as probing:
                for _ in workers:
                    probing.create_task(self._run_worker())
                await self._lease_batches(mailbox_ids)
                for _ in workers:
                    self._todo.put_nowait(None)
            await self._done.put(None)
        await asyncio.to_thread(rate_store.save_rate, engine, client_id, self._pacer)

    async def _lease_batches(self, mailbox_ids: Sequence[int]) -> None:
        """Lease what has to be probed, about two seconds of work ahead."""
        for start in range(0, len(mailbox_ids), READ_BATCH_SIZE):
            grants = await asyncio.to_thread(self._store.read_grants, mailbox_ids[start : start + READ_BATCH_SIZE])
            wanted = [grant.mailbox_id for grant in grants if self._should_probe(grant)]
            while wanted:
                refusal = await self._wait_for_breaker()
                self._closed = self._refused or refusal  # in this order: somebody may have been refused meanwhile
                batch, wanted = wanted[: self._max_in_flight()], wanted[self._max_in_flight() :]
                if self._closed:
                    self._skip_batch(self._closed, len(batch))
                else:
                    await self._lease_batch(batch)

    async def _lease_batch(self, batch: list[int]) -> None:
        leased = await asyncio.to_thread(self._store.take_leases, batch, holder=self._holder, seconds=self._lease)
        self._in_hand |= {grant.mailbox_id for grant in leased}
        # The others are being refreshed by a task just now.
        if len(leased) < len(batch):
            self._findings.result.counts["being_refreshed"] += len(batch) - len(leased)
        for grant in leased:
            self._todo.put_nowait(grant)
        alone = self._breaker.probing
        while self._in_hand and (alone or len(self._in_hand) > self._max_in_flight()):
            await asyncio.sleep(0.01)

    def _should_probe(self, grant: StoredGrant) -> bool:
        askable = grant.auth is not MailboxAuth.DELEGATED or self._delegated is not None
        if askable and needs_probe(grant, skip_within=self._settings.audit_skip_within, force=self._force):
            return True
        self._findings.result.counts["valid" if grant.state is GrantState.ACTIVE else grant.state.value] += 1
        return False

    def _max_in_flight(self) -> int:
        """Return how many grants to have in hand; one, where it is the probe of an open breaker."""
        if self._breaker.probing:
            return 1
        return max(8, min(2 * self._settings.audit_concurrency, int(2 * self._pacer.rate)))

    async def _wait_for_breaker(self) -> Reason | None:
        """Ask the breaker; wait a while where an outage may end."""
        while True:
            refusal = await asyncio.to_thread(self._breaker.blocked_reason)
            if refusal is None or refusal.category is ResponseCategory.THROTTLED:  # the pacer finds the pace
                return None
            if refusal.category is not ResponseCategory.TRANSIENT or self._patience <= 0:
                return refusal
            self._patience -= 1
            await asyncio.sleep(1)

    def _skip_batch(self, reason: Reason, count: int) -> None:
        result = self._findings.result
        if result.stop_reason is None:
            text, code = "The audit stops asking Google: %s %s [%s]", reason.code
            log_event(log, logging.ERROR, text, reason.message, reason.remedy, code, reason_code=code)
        result.stop_reason = reason.code
        result.counts[UNREACHED_COUNT_NAMES[reason.category]] += count

    async def _run_worker(self) -> None:
        while (grant := await self._todo.get()) is not None:
            found = await self._probe_grant(grant)
            if found.token_result.reason.code in OPENS_IMMEDIATELY and not found.is_delegated:
                self._closed = self._refused = found.token_result.reason
            await self._done.put(found)

    async def _probe_grant(self, grant: StoredGrant) -> ProbeResult:
        if grant.auth is MailboxAuth.DELEGATED:
            await self._pacer.wait_for_turn()
            return ProbeResult(
                grant=grant, token_result=await asyncio.to_thread(self._request_delegated_token, grant.address)
            )
        if refusal := find_preflight_refusal(grant) or self._closed:
            return ProbeResult(grant=grant, token_result=TokenResult(reason=refusal, request_sent=False))
        assert grant.refresh_token
        try:
            token = self._store.cipher.decrypt(grant.secret_owner, grant.refresh_token)
        except CiphertextError:
            return ProbeResult(
                grant=grant, token_result=TokenResult(reason=REASONS["undecryptable"], request_sent=False)
            )
        verdict, elapsed = await self._prober.probe_token(token, closed=lambda: self._closed)
        return ProbeResult(grant=grant, token_result=verdict, elapsed=elapsed)

    def _request_delegated_token(self, address: str) -> TokenResult:
        assert self._delegated
        assert self._service_account
        if refusal := self._service_account.blocked_reason():
            return TokenResult(reason=refusal, request_sent=False)
        try:
            return self._delegated.request_token(address)
        except ConfigurationError as error:
            log.error("%s", error)
            return TokenResult(reason=REASONS["service_account_missing"])

    async def _write_results(self) -> None:
        """Write results as they come, many in one statement."""
        while batch := await self._next_batch():
            await asyncio.to_thread(self._findings.record_batch, batch)
            self._in_hand -= {found.grant.mailbox_id for found in batch}

    async def _next_batch(self) -> list[ProbeResult]:
        """Return some results; none at the end."""
        if (first := await self._done.get()) is None:
            return []
        batch, deadline = [first], time.monotonic() + WRITE_WAIT_SECONDS
        while len(batch) < WRITE_BATCH_SIZE:
            try:
                found = await asyncio.wait_for(self._done.get(), deadline - time.monotonic())
            except TimeoutError:
                break
            if found is None:
                self._done.put_nowait(None)  # for the next call
                break
            batch.append(found)
        return batch

    @asynccontextmanager
    async def _lease_renewal(self) -> AsyncIterator[None]:
        """Hold the leases in hand for longer, every third of their time; give the rest back at the end."""
        holding = asyncio.create_task(self._extend_leases())
        try:
            yield
        finally:
            holding.cancel()
            if self._in_hand:
                self._store.release_leases(self._in_hand, holder=self._holder)

    async def _extend_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            await asyncio.to_thread(
                self._store.extend_leases, list(self._in_hand), holder=self._holder, seconds=self._lease
            )
