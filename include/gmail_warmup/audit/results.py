"""What an audit found: written many at a time, counted, and told to the breaker."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import NULL_METER, REFRESH, REFRESH_TIME, Meter
from gmail_warmup.db.models import GrantState, MailboxAuth
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.oauth.access_tokens import log_refusal, reinterpret_result
from gmail_warmup.oauth.circuit_breaker import OPENS_IMMEDIATELY, CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.delegation_errors import adjust_delegated_reason
from gmail_warmup.oauth.grant_store import Actor, GrantStore, StoredGrant
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import TokenResult

log = logging.getLogger(__name__)


@dataclass
class AuditResult:
    """What an audit found; counts of mailboxes by outcome."""

    counts: Counter[str] = field(default_factory=Counter)
    unknown_responses: Counter[str] = field(default_factory=Counter)
    """Answers that are not in the table, by status and error code."""
    stop_reason: str | None = None
    """The reason code for which Google was not asked about some."""

    @property
    def app_error(self) -> str | None:
        """Return the reason code, if Google refused the OAuth client or our request."""
        return (
            self.stop_reason
            if self.stop_reason and REASONS[self.stop_reason].category is ResponseCategory.APP
            else None
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, small enough for XCom."""
        return {
            "counts": {name: count for name, count in self.counts.items() if count},
            "unknown": dict(self.unknown_responses),
            "stopped": self.stop_reason,
        }


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """One grant with its verdict; ``elapsed`` are the seconds since the request was sent."""

    grant: StoredGrant
    token_result: TokenResult
    elapsed: float = 0.0

    @property
    def is_delegated(self) -> bool:
        """Tell whether a service account reaches the mailbox, and no grant."""
        return self.grant.auth is MailboxAuth.DELEGATED


class ResultRecorder:
    """Take findings in batches.

    Args:
        breaker: of the OAuth client.
        delegated: the breaker of the service account, where there is one.
        holder: of the leases, which are given back.
    """

    def __init__(
        self,
        store: GrantStore,
        breaker: CircuitBreaker,
        *,
        delegated: CircuitBreaker | None = None,
        client_id: str,
        actor: Actor,
        holder: str,
        meter: Meter = NULL_METER,
    ) -> None:
        self._store, self._breaker, self._delegated, self._meter = store, breaker, delegated, meter
        self._client_id, self._actor, self._holder = client_id, actor, holder
        self.result = AuditResult()

    def record_batch(self, batch: Sequence[ProbeResult]) -> None:
        """Write a batch: tokens and refusals together; what says nothing about a grant only gives its lease back."""
        batch = self._reinterpret_batch(batch)
        self._send_metrics([found for found in batch if found.token_result.request_sent])
        self._notify_breaker(self._breaker, [found for found in batch if not found.is_delegated])
        if self._delegated:
            self._notify_breaker(self._delegated, [found for found in batch if found.is_delegated])
        writes = [write for found in batch if (write := self._build_update(found))]
        written = self._store.apply_updates(writes, actor=self._actor)
        for write in writes:
            self._count_update(write, kept=write.grant.mailbox_id in written)
        unsaid = [found for found in batch if not _concerns_grant(found.token_result)]
        for found in unsaid:
            self._count_unreached(found)
        if unsaid:
            self._store.release_leases([found.grant.mailbox_id for found in unsaid], holder=self._holder)

    def _send_metrics(self, asked: Sequence[ProbeResult]) -> None:
        for answer, number in Counter(found.token_result.reason.category for found in asked).items():
            self._meter.increment_counter(REFRESH, answer, number)
        for found in asked:
            if found.elapsed:
                self._meter.record_duration(REFRESH_TIME, found.elapsed)

    def _notify_breaker(self, breaker: CircuitBreaker, batch: Sequence[ProbeResult]) -> None:
        asked = [found for found in batch if found.token_result.request_sent]
        for found in asked:
            if found.token_result.reason.code in OPENS_IMMEDIATELY and not self.result.stop_reason:
                self.result.stop_reason = found.token_result.reason.code
        # A pause that Google asks for is the pacer's business here.
        breaker.record_outcomes(
            RequestOutcome(mailbox_id=found.grant.mailbox_id, reason=found.token_result.reason)
            for found in asked
            if found.token_result.reason.category is not ResponseCategory.THROTTLED
        )

    def _reinterpret_batch(self, batch: Sequence[ProbeResult]) -> list[ProbeResult]:
        works = self._breaker.recently_succeeded or any(
            found.token_result.reason.category is ResponseCategory.OK and not found.is_delegated for found in batch
        )
        return [dataclasses.replace(found, token_result=self._reinterpret_result(found, works)) for found in batch]

    def _reinterpret_result(self, found: ProbeResult, works: bool) -> TokenResult:
        if found.is_delegated:
            return dataclasses.replace(
                found.token_result, reason=adjust_delegated_reason(found.grant, found.token_result.reason)
            )
        return reinterpret_result(found.token_result, found.grant, self._client_id, works_lately=works)

    def _build_update(self, found: ProbeResult) -> GrantUpdate | None:
        if found.token_result.reason.category is ResponseCategory.OK:
            if found.is_delegated:
                return GrantUpdate(grant=found.grant, state=GrantState.ACTIVE, verified=True)
            return self._store.build_success_update(
                found.grant, found.token_result, elapsed=found.elapsed, client_id=self._client_id
            )
        if not _concerns_grant(found.token_result):
            return None
        write = self._store.build_refusal_update(found.grant, found.token_result.reason)
        # Who was healthy is not condemned before the whole audit is in: grants.verdicts.
        return (
            self._store.downgrade_to_suspect(write, None)
            if mass_refusal.counts_for_mass_refusal(found.grant, found.token_result.reason)
            else write
        )

    def _count_update(self, write: GrantUpdate, *, kept: bool) -> None:
        if not kept:
            self.result.counts["valid"] += 1  # a person re-authenticated it meanwhile
        elif write.state is GrantState.ACTIVE:
            self.result.counts["refreshed"] += 1
            log.debug("Updated OAuth token for account %s", write.grant.address)
        else:
            self.result.counts[write.state.value] += 1
            log_refusal(write)

    def _count_unreached(self, found: ProbeResult) -> None:
        reason, detail, address = found.token_result.reason, found.token_result.detail, found.grant.address
        self.result.counts[UNREACHED_COUNT_NAMES[reason.category]] += 1
        if reason.code in ("unknown_answer", "not_json"):
            self.result.unknown_responses[detail] += 1
        if found.token_result.request_sent or reason.category is ResponseCategory.LOCAL:
            text, seen = "%s: %s %s[%s]", f"{detail} " if detail else ""
            fields = {"mailbox": address, "reason_code": reason.code}
            log_event(log, logging.WARNING, text, address, reason.message, seen, reason.code, **fields)


UNREACHED_COUNT_NAMES = {
    ResponseCategory.APP: "app_error",
    ResponseCategory.LOCAL: "unreadable",
    ResponseCategory.TRANSIENT: "transient",
    ResponseCategory.THROTTLED: "throttled",
}
"""Under which name an audit counts the mailboxes about which it learned nothing, by class of the answer."""


def _concerns_grant(verdict: TokenResult) -> bool:
    """Tell whether an answer is about the grant, rather than about Google, the network or the client."""
    return verdict.reason.state is not None
