"""The audit: every grant probed, with several requests in flight, and what was found.

A shard is a set of mailboxes; memory is bounded by the chunk of it that is in hand. Every result is written as it
comes, so that an audit killed in the middle and run again asks only for what is missing.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from gmail_warmup.db.models import GrantState, MailboxAuth
from gmail_warmup.errors import CiphertextError
from gmail_warmup.grants.endpoint import FORM, Answer, OAuthClient, Verdict, classify, read_answer, refresh_form
from gmail_warmup.grants.pacer import Pacer
from gmail_warmup.grants.reasons import REASONS, AnswerClass
from gmail_warmup.grants.refresh import local_refusal, with_client
from gmail_warmup.grants.store import Actor, GrantStore, StoredGrant
from gmail_warmup.settings import Settings

log = logging.getLogger(__name__)

CHUNK = 500
TRIES = 4
"""How often one grant is asked for in an audit while Google throttles or fails."""


@dataclass
class AuditResult:
    """What an audit found; counts of mailboxes by outcome, and who newly needs a person."""

    counts: Counter[str] = field(default_factory=Counter)
    newly_flagged: list[str] = field(default_factory=list)
    app_error: str | None = None


def needs_probe(grant: StoredGrant, *, skip_within: int, force: bool) -> bool:
    """Tell whether Google has to be asked about a grant; a flagged one is left alone until its probe is due."""
    if grant.auth is MailboxAuth.DELEGATED:
        return False
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
    """

    def __init__(
        self, store: GrantStore, client: OAuthClient, settings: Settings, *, actor: Actor, force: bool = False
    ) -> None:
        self._store, self._client, self._settings, self._actor, self._force = store, client, settings, actor, force
        self._holder = uuid.uuid4().hex
        self._pacer = Pacer(settings.audit_rate)
        self._result = AuditResult()

    def run(self, mailbox_ids: Sequence[int]) -> AuditResult:
        """Probe these mailboxes and return what was found."""
        asyncio.run(self._run(mailbox_ids))
        return self._result

    async def _run(self, mailbox_ids: Sequence[int]) -> None:
        timeout = aiohttp.ClientTimeout(
            sock_connect=self._settings.connect_timeout, sock_read=self._settings.read_timeout
        )
        connector = aiohttp.TCPConnector(limit=self._settings.audit_concurrency)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
            for start in range(0, len(mailbox_ids), CHUNK):
                await self._chunk(http, mailbox_ids[start : start + CHUNK])

    async def _chunk(self, http: aiohttp.ClientSession, mailbox_ids: Sequence[int]) -> None:
        grants = await asyncio.to_thread(self._store.read_many, mailbox_ids)
        to_probe = []
        for grant in grants:
            if needs_probe(grant, skip_within=self._settings.audit_skip_within, force=self._force):
                to_probe.append(grant.mailbox_id)
            else:
                self._result.counts["valid" if grant.state is GrantState.ACTIVE else grant.state.value] += 1
        lease = self._settings.refresh_lease + int(len(to_probe) / Pacer.FLOOR)
        leased = await asyncio.to_thread(self._store.take_leases, to_probe, holder=self._holder, seconds=lease)
        if len(leased) < len(to_probe):  # the others are being refreshed by a task just now
            self._result.counts["being_refreshed"] += len(to_probe) - len(leased)
        gate = asyncio.Semaphore(self._settings.audit_concurrency)
        try:
            await asyncio.gather(*(self._probe(http, gate, grant) for grant in leased))
        finally:
            await asyncio.to_thread(self._store.release, [grant.mailbox_id for grant in leased], holder=self._holder)

    async def _probe(self, http: aiohttp.ClientSession, gate: asyncio.Semaphore, grant: StoredGrant) -> None:
        async with gate:
            verdict, elapsed = await self._ask(http, grant)
            await asyncio.to_thread(self._record, grant, verdict, elapsed)

    async def _ask(self, http: aiohttp.ClientSession, grant: StoredGrant) -> tuple[Verdict, float]:
        refusal = local_refusal(grant)
        if refusal:
            return Verdict(reason=refusal), 0.0
        assert grant.refresh_token
        try:
            token = self._store.cipher.decrypt(grant.owner, grant.refresh_token)
        except CiphertextError:
            return Verdict(reason=REASONS["undecryptable"]), 0.0
        for _ in range(TRIES):
            if self._result.app_error:
                return Verdict(reason=REASONS[self._result.app_error]), 0.0
            await self._pacer.turn()
            started = time.monotonic()
            verdict = with_client(await self._first_accepted(http, token), grant, self._client.client_id)
            if verdict.reason.answer is AnswerClass.THROTTLED:
                self._pacer.throttled(verdict.retry_after)
            elif verdict.reason.answer is AnswerClass.TRANSIENT:
                await asyncio.sleep(verdict.retry_after or 0.2)
            else:
                self._pacer.answered()
                break
        return verdict, time.monotonic() - started

    async def _first_accepted(self, http: aiohttp.ClientSession, token: str) -> Verdict:
        verdict = Verdict(reason=REASONS["invalid_client"])
        for secret in self._client.secrets:
            verdict = classify(await self._post(http, refresh_form(self._client, secret, token)))
            if verdict.reason.code != "invalid_client":
                break
        return verdict

    async def _post(self, http: aiohttp.ClientSession, form: str) -> Answer:
        try:
            async with http.post(self._client.token_uri, data=form, headers=FORM, allow_redirects=False) as response:
                return read_answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answer(status=None, detail=type(error).__name__)

    def _record(self, grant: StoredGrant, verdict: Verdict, elapsed: float) -> None:
        reason = verdict.reason
        if reason.answer is AnswerClass.OK:
            self._store.record_tokens(
                grant, verdict, elapsed=elapsed, client_id=self._client.client_id, actor=self._actor
            )
            self._result.counts["refreshed"] += 1
            log.info("Updated OAuth token for account %s", grant.address)
        elif reason.state is not None:
            self._judge(grant, verdict)
        elif reason.answer is AnswerClass.APP:
            if self._result.app_error is None:
                self._result.app_error = reason.code
                log.error("The audit stops asking Google: %s %s [%s]", reason.sentence, reason.step, reason.code)
            self._result.counts["app_error"] += 1
        else:
            self._result.counts[reason.answer.value] += 1
            log.warning("%s: %s [%s]", grant.address, reason.sentence, reason.code)

    def _judge(self, grant: StoredGrant, verdict: Verdict) -> None:
        written = self._store.record_reason(grant, verdict.reason, actor=self._actor)
        if written is None:
            self._result.counts["valid"] += 1  # a person re-authenticated it meanwhile
            return
        assert written.state is not None
        self._result.counts[written.state.value] += 1
        if written.state not in (GrantState.SUSPECT, grant.state):
            self._result.newly_flagged.append(grant.address)
        log.warning("%s: %s [%s]", grant.address, written.sentence, written.code)
