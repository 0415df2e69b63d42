"""Write the results of probes in batches, count them, and report them to the circuit breaker."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gmail_warmup.audit.results import UNREACHED_OUTCOMES, AuditOutcome, AuditTally
from gmail_warmup.core.enums import RefusingParty, ResponseCategory
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import NULL_METER, REFRESH, REFRESH_TIME, Meter
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.models import GrantState, MailboxAuth
from gmail_warmup.db.rows import DATA_ERRORS, describe_error
from gmail_warmup.oauth.circuit_breaker import OPENS_IMMEDIATELY, CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.grant import Actor, StoredGrant
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.leases import GrantLeases
from gmail_warmup.oauth.mass_refusal import counts_for_mass_refusal
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.refusal_policy import adjust_delegated_reason, log_refusal, reinterpret_result
from gmail_warmup.oauth.token_endpoint import TokenResult

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The result of probing one grant.

    Attributes:
        elapsed: number of seconds since the token request was sent.
        gmail_reason: the meaning of Gmail's answer; None if Gmail was not called.
    """

    grant: StoredGrant
    token_result: TokenResult
    elapsed: float = 0.0
    gmail_reason: Reason | None = None

    @property
    def is_delegated(self) -> bool:
        """Return whether the mailbox is accessed by a service account instead of a grant."""
        return self.grant.auth is MailboxAuth.DELEGATED

    @property
    def concerns_grant(self) -> bool:
        """Return whether the response is about the grant, not about Google, the network or the OAuth client."""
        return self.token_result.reason.state is not None


class ResultRecorder:
    """Write batches of probe results.

    Args:
        breaker: of the OAuth client.
        delegated: the circuit breaker of the service account, if there is one.
        leases: the holder of the leases of the probed grants.
    """

    def __init__(
        self,
        store: GrantStore,
        breaker: CircuitBreaker,
        *,
        delegated: CircuitBreaker | None = None,
        client_id: str,
        actor: Actor,
        leases: GrantLeases,
        meter: Meter = NULL_METER,
    ) -> None:
        self._store, self._breaker, self._delegated, self._meter = store, breaker, delegated, meter
        self._client_id, self._actor, self._leases = client_id, actor, leases
        self.tally = AuditTally()

    def record_batch(self, batch: Sequence[ProbeResult]) -> None:
        """Write a batch in one transaction. Results that say nothing about the grant only release its lease.

        A result with a value that cannot be stored counts as one that says nothing; the others are written.
        """
        batch = self._reinterpret_batch(batch)
        self._send_metrics([probe for probe in batch if probe.token_result.request_sent])
        self._notify_breaker(self._breaker, [probe for probe in batch if not probe.is_delegated])
        if self._delegated:
            self._notify_breaker(self._delegated, [probe for probe in batch if probe.is_delegated])
        probed = {probe.grant.mailbox_id: probe for probe in batch}
        updates = [update for probe in batch if probe.concerns_grant and (update := self._try_build_update(probe))]
        written, rejected = self._store.apply_each(updates, actor=self._actor)
        for update in updates:
            if update not in rejected:
                self._count_update(update, written=update.grant.mailbox_id in written)
                del probed[update.grant.mailbox_id]
        unreached = [_as_unstorable(probe) if probe.concerns_grant else probe for probe in probed.values()]
        for probe in unreached:
            self._count_unreached(probe)
        if unreached:
            self._leases.release([probe.grant.mailbox_id for probe in unreached])

    def _send_metrics(self, probes: Sequence[ProbeResult]) -> None:
        for category, count in Counter(probe.token_result.reason.category for probe in probes).items():
            self._meter.increment_counter(REFRESH, category, count)
        for probe in probes:
            if probe.elapsed:
                self._meter.record_duration(REFRESH_TIME, probe.elapsed)

    def _notify_breaker(self, breaker: CircuitBreaker, batch: Sequence[ProbeResult]) -> None:
        sent = [probe for probe in batch if probe.token_result.request_sent]
        for probe in sent:
            if probe.token_result.reason.code in OPENS_IMMEDIATELY and not self.tally.stop_reason:
                self.tally.stop_reason = probe.token_result.reason.code
        # The rate limiter of the audit handles the pauses that Google requests.
        breaker.record_outcomes(
            RequestOutcome(mailbox_id=probe.grant.mailbox_id, reason=probe.token_result.reason)
            for probe in sent
            if probe.token_result.reason.category is not ResponseCategory.THROTTLED
        )

    def _reinterpret_batch(self, batch: Sequence[ProbeResult]) -> list[ProbeResult]:
        recently_succeeded = self._breaker.recently_succeeded or any(
            probe.token_result.reason.category is ResponseCategory.OK and not probe.is_delegated for probe in batch
        )
        return [
            dataclasses.replace(probe, token_result=self._reinterpret_result(probe, recently_succeeded))
            for probe in batch
        ]

    def _reinterpret_result(self, probe: ProbeResult, recently_succeeded: bool) -> TokenResult:
        grant, result = probe.grant, probe.token_result
        if probe.is_delegated:
            return dataclasses.replace(result, reason=adjust_delegated_reason(grant, result.reason))
        return reinterpret_result(result, grant, self._client_id, recently_succeeded=recently_succeeded)

    def _try_build_update(self, probe: ProbeResult) -> GrantUpdate | None:
        try:
            return self._build_update(probe)
        except DATA_ERRORS as error:
            text = "The result of %s cannot be stored: %s"
            log_event(log, logging.ERROR, text, probe.grant.address, describe_error(error), mailbox=probe.grant.address)
            return None

    def _build_update(self, probe: ProbeResult) -> GrantUpdate:
        grant, result = probe.grant, probe.token_result
        if result.reason.category is ResponseCategory.OK:
            if probe.is_delegated:
                return self._apply_gmail_answer(probe, self._store.build_token_success(grant))
            update = self._store.build_success_update(grant, result, elapsed=probe.elapsed, client_id=self._client_id)
            return self._apply_gmail_answer(probe, update)
        policy = self._store.refusal_policy
        update = policy.decide(grant, result.reason, RefusingParty.TOKEN_ENDPOINT)
        # Healthy grants are flagged when the whole audit is finished: see audit.decisions.
        return policy.hold(update, None) if counts_for_mass_refusal(grant, result.reason) else update

    def _apply_gmail_answer(self, probe: ProbeResult, update: GrantUpdate) -> GrantUpdate:
        """Return the update of a grant that was refreshed, with the state that Gmail's answer leads to."""
        reason = probe.gmail_reason
        if reason is None or reason.state is None:
            return update  # Gmail was not called, or its answer says nothing about the mailbox
        if reason.category is ResponseCategory.OK:
            outcome = GrantUpdate(grant=probe.grant, state=GrantState.ACTIVE)
        else:
            reason = adjust_delegated_reason(probe.grant, reason, RefusingParty.GMAIL)
            outcome = self._store.refusal_policy.decide(probe.grant, reason, RefusingParty.GMAIL)
        return dataclasses.replace(outcome, tokens=update.tokens, verified=update.verified)

    def _count_update(self, update: GrantUpdate, *, written: bool) -> None:
        if not written:
            self.tally.counts[AuditOutcome.VALID] += 1  # re-authenticated in the meantime
        elif update.state is GrantState.ACTIVE:
            self.tally.counts[AuditOutcome.REFRESHED] += 1
            log.debug("Updated OAuth token for account %s", update.grant.address)
        else:
            self.tally.counts[AuditOutcome.of_state(update.state)] += 1
            log_refusal(update)

    def _count_unreached(self, probe: ProbeResult) -> None:
        reason, detail, address = probe.token_result.reason, probe.token_result.detail, probe.grant.address
        self.tally.counts[UNREACHED_OUTCOMES[reason.category]] += 1
        if reason.code in ("unknown_answer", "not_json"):
            self.tally.unknown_responses[to_storable_text(detail)] += 1
        if probe.token_result.request_sent or reason.category is ResponseCategory.LOCAL:
            text, detail_text = "%s: %s %s[%s]", f"{detail} " if detail else ""
            fields = {"mailbox": address, "reason_code": reason.code}
            log_event(log, logging.WARNING, text, address, reason.message, detail_text, reason.code, **fields)


def _as_unstorable(probe: ProbeResult) -> ProbeResult:
    """Return the result of a probe whose answer contains a value that cannot be stored: it says nothing."""
    result = TokenResult(reason=REASONS["write_failed"], request_sent=probe.token_result.request_sent)
    return dataclasses.replace(probe, token_result=result)
