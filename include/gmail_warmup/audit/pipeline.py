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
from gmail_warmup.audit.results import NOT_REACHED, AuditResult, Findings, Found
from gmail_warmup.audit.token_prober import Prober
from gmail_warmup.core.enums import AnswerClass
from gmail_warmup.core.errors import CiphertextError, ConfigurationError
from gmail_warmup.core.log_context import event
from gmail_warmup.core.metrics import NO_METER, Meter
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import GrantState, MailboxAuth
from gmail_warmup.oauth.access_tokens import local_refusal
from gmail_warmup.oauth.circuit_breaker import AT_ONCE, Breaker
from gmail_warmup.oauth.grant_store import Actor, GrantStore, StoredGrant
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import OAuthClient, Verdict

log = logging.getLogger(__name__)

CHUNK = 500
"""Grants read at once."""
WRITE, WRITE_SECONDS = 200, 0.2
"""Results written at once, and for how long one waits for others."""
PATIENCE = 60
"""Seconds for which an audit waits, all in all, for an outage to end."""


class Delegated(Protocol):
    """Asks Google for access tokens of delegated mailboxes."""

    @property
    def breaker_key(self) -> str:
        """Return what the service account's breaker is kept under."""

    def verdict(self, address: str) -> Verdict:
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
        delegated: Delegated | None = None,
        meter: Meter = NO_METER,
    ) -> None:
        self._store, self._client, self._settings = store, client, settings
        self._force, self._delegated = force, delegated
        self._holder, self._lease = uuid.uuid4().hex, settings.refresh_lease
        self._breaker = Breaker(store.engine, client.client_id, lease=self._lease)
        self._service_account = Breaker(store.engine, delegated.breaker_key, lease=self._lease) if delegated else None
        self._findings = Findings(
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
        self._patience = float(PATIENCE)
        self._in_hand: set[int] = set()

    def run(self, mailbox_ids: Sequence[int]) -> AuditResult:
        """Probe these mailboxes and return what was found."""
        asyncio.run(self._run(mailbox_ids))
        return self._findings.result

    async def _run(self, mailbox_ids: Sequence[int]) -> None:
        engine, client_id = self._store.engine, self._client.client_id
        self._pacer = await asyncio.to_thread(rate_store.recall, engine, client_id, rate=self._settings.audit_rate)
        self._todo: asyncio.Queue[StoredGrant | None] = asyncio.Queue()
        self._done: asyncio.Queue[Found | None] = asyncio.Queue(2 * WRITE)
        workers = range(self._settings.audit_concurrency)
        async with (
            Prober(self._client, self._settings, self._pacer) as self._prober,
            self._leases_held(),
            asyncio.TaskGroup() as writing,
        ):
            writing.create_task(self._write_all())
            async with asyncio.TaskGroup() as probing:
                for _ in workers:
                    probing.create_task(self._work())
                await self._hand_out(mailbox_ids)
                for _ in workers:
                    self._todo.put_nowait(None)
            await self._done.put(None)
        await asyncio.to_thread(rate_store.remember, engine, client_id, self._pacer)

    async def _hand_out(self, mailbox_ids: Sequence[int]) -> None:
        """Lease what has to be probed, about two seconds of work ahead."""
        for start in range(0, len(mailbox_ids), CHUNK):
            grants = await asyncio.to_thread(self._store.read_many, mailbox_ids[start : start + CHUNK])
            wanted = [grant.mailbox_id for grant in grants if self._is_wanted(grant)]
            while wanted:
                refusal = await self._refusal()
                self._closed = self._refused or refusal  # in this order: somebody may have been refused meanwhile
                batch, wanted = wanted[: self._ahead()], wanted[self._ahead() :]
                if self._closed:
                    self._leave_out(self._closed, len(batch))
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
        while self._in_hand and (alone or len(self._in_hand) > self._ahead()):
            await asyncio.sleep(0.01)

    def _is_wanted(self, grant: StoredGrant) -> bool:
        askable = grant.auth is not MailboxAuth.DELEGATED or self._delegated is not None
        if askable and needs_probe(grant, skip_within=self._settings.audit_skip_within, force=self._force):
            return True
        self._findings.result.counts["valid" if grant.state is GrantState.ACTIVE else grant.state.value] += 1
        return False

    def _ahead(self) -> int:
        """Return how many grants to have in hand; one, where it is the probe of an open breaker."""
        if self._breaker.probing:
            return 1
        return max(8, min(2 * self._settings.audit_concurrency, int(2 * self._pacer.rate)))

    async def _refusal(self) -> Reason | None:
        """Ask the breaker; wait a while where an outage may end."""
        while True:
            refusal = await asyncio.to_thread(self._breaker.refusal)
            if refusal is None or refusal.answer is AnswerClass.THROTTLED:  # the pacer finds the pace
                return None
            if refusal.answer is not AnswerClass.TRANSIENT or self._patience <= 0:
                return refusal
            self._patience -= 1
            await asyncio.sleep(1)

    def _leave_out(self, reason: Reason, count: int) -> None:
        result = self._findings.result
        if result.stopped is None:
            text, code = "The audit stops asking Google: %s %s [%s]", reason.code
            event(log, logging.ERROR, text, reason.sentence, reason.step, code, reason_code=code)
        result.stopped = reason.code
        result.counts[NOT_REACHED[reason.answer]] += count

    async def _work(self) -> None:
        while (grant := await self._todo.get()) is not None:
            found = await self._probe(grant)
            if found.verdict.reason.code in AT_ONCE and not found.is_delegated:
                self._closed = self._refused = found.verdict.reason
            await self._done.put(found)

    async def _probe(self, grant: StoredGrant) -> Found:
        if grant.auth is MailboxAuth.DELEGATED:
            await self._pacer.turn()
            return Found(grant=grant, verdict=await asyncio.to_thread(self._ask_delegated, grant.address))
        if refusal := local_refusal(grant) or self._closed:
            return Found(grant=grant, verdict=Verdict(reason=refusal, asked=False))
        assert grant.refresh_token
        try:
            token = self._store.cipher.decrypt(grant.owner, grant.refresh_token)
        except CiphertextError:
            return Found(grant=grant, verdict=Verdict(reason=REASONS["undecryptable"], asked=False))
        verdict, elapsed = await self._prober.ask(token, closed=lambda: self._closed)
        return Found(grant=grant, verdict=verdict, elapsed=elapsed)

    def _ask_delegated(self, address: str) -> Verdict:
        assert self._delegated
        assert self._service_account
        if refusal := self._service_account.refusal():
            return Verdict(reason=refusal, asked=False)
        try:
            return self._delegated.verdict(address)
        except ConfigurationError as error:
            log.error("%s", error)
            return Verdict(reason=REASONS["service_account_missing"])

    async def _write_all(self) -> None:
        """Write results as they come, many in one statement."""
        while batch := await self._next_batch():
            await asyncio.to_thread(self._findings.record, batch)
            self._in_hand -= {found.grant.mailbox_id for found in batch}

    async def _next_batch(self) -> list[Found]:
        """Return some results; none at the end."""
        if (first := await self._done.get()) is None:
            return []
        batch, deadline = [first], time.monotonic() + WRITE_SECONDS
        while len(batch) < WRITE:
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
    async def _leases_held(self) -> AsyncIterator[None]:
        """Hold the leases in hand for longer, every third of their time; give the rest back at the end."""
        holding = asyncio.create_task(self._hold())
        try:
            yield
        finally:
            holding.cancel()
            if self._in_hand:
                self._store.release(self._in_hand, holder=self._holder)

    async def _hold(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            await asyncio.to_thread(self._store.extend, list(self._in_hand), holder=self._holder, seconds=self._lease)
