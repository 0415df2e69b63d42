"""Access tokens for delegated mailboxes: asked anew every time, through the service account."""

from __future__ import annotations

import logging
import time
from typing import NoReturn

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState, ResponseCategory
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import NULL_METER, REFRESH, REFRESH_TIME, Meter
from gmail_warmup.gmail.service_account import ServiceAccount
from gmail_warmup.oauth.access_tokens import AccessToken
from gmail_warmup.oauth.circuit_breaker import CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.delegation_errors import adjust_delegated_reason
from gmail_warmup.oauth.errors import build_grant_error
from gmail_warmup.oauth.grant_store import Actor, GrantStore, StoredGrant
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import TokenResult

log = logging.getLogger(__name__)


class ServiceAccountTokens:
    """Hand out access tokens of delegated mailboxes.

    A token is asked anew by whoever needs one, and stored nowhere: there is no refresh token to protect, and no
    request that could spoil another. What a refusal says goes into the mailbox's row, as for any grant.
    """

    def __init__(
        self,
        store: GrantStore,
        delegation: ServiceAccount,
        *,
        actor: Actor,
        lease: int = 60,
        meter: Meter = NULL_METER,
    ) -> None:
        self._store, self._delegation, self._actor, self._meter = store, delegation, actor, meter
        self._breaker = CircuitBreaker(store.engine, delegation.breaker_key, lease=lease)
        self._last: tuple[str, float] | None = None

    def get_token(self, address: str, *, rejected: str | None = None, known: StoredGrant | None = None) -> AccessToken:
        """Return a valid access token for a mailbox.

        Args:
            rejected: the access token that Gmail refused, if it did; it is not handed out again.
            known: the mailbox's row, where the caller has just read it.

        Raises:
            FlaggedGrantError: the mailbox needs an administrator, or its next probe.
            SuspectGrantError: Google's answer may mean so; a second probe decides.
            TransientGrantError: Google or the network is in trouble, and the last token is not valid any more.
            OAuthClientError: the service account or this machine's clock is wrong.
            NotAskedError: the breaker is open.
            ConfigurationError: the Connection is missing or holds no usable service account.
            UnknownMailboxError: no mailbox has this address.
        """
        grant = known or self._store.read_grant(address)
        if grant.state in FLAGGED_STATES or grant.awaits_probe:
            raise build_grant_error(address, REASONS[grant.reason or "delegation_refused"])
        started = time.monotonic()
        verdict = self._request_token(grant)
        if verdict.reason.category is ResponseCategory.OK:
            self._record_recovery(grant)
            self._last = verdict.access_token, started + verdict.expires_in
            return AccessToken(token=verdict.access_token, seconds=self._last[1] - time.monotonic())
        if verdict.reason.state is not None:
            self._record_refusal(grant, verdict)
        if usable := self._get_valid_token(rejected):
            text, code = "Asking for %s failed [%s]; its token is still valid", verdict.reason.code
            log_event(log, logging.WARNING, text, address, code, mailbox=address, reason_code=code)
            return usable
        raise build_grant_error(address, verdict.reason, verdict.retry_after, asked=verdict.request_sent)

    def _request_token(self, grant: StoredGrant) -> TokenResult:
        if closed := self._breaker.blocked_reason():
            return TokenResult(reason=closed, request_sent=False)
        started = time.monotonic()
        verdict = self._delegation.request_token(grant.address)
        self._meter.increment_counter(REFRESH, verdict.reason.category)
        self._meter.record_duration(REFRESH_TIME, time.monotonic() - started)
        self._breaker.record_outcomes(
            [RequestOutcome(mailbox_id=grant.mailbox_id, reason=verdict.reason, retry_after=verdict.retry_after)]
        )
        return verdict

    def _record_recovery(self, grant: StoredGrant) -> None:
        if grant.state is not GrantState.ACTIVE:
            self._store.apply_updates(
                [GrantUpdate(grant=grant, state=GrantState.ACTIVE, verified=True)], actor=self._actor
            )

    def _record_refusal(self, grant: StoredGrant, verdict: TokenResult) -> NoReturn:
        reason = adjust_delegated_reason(grant, verdict.reason)
        written = self._store.record_refusal(grant, reason, actor=self._actor)
        code = written.reason if written and written.reason else reason.code
        text, address = "Delegated mailbox %s: %s [%s]", grant.address
        log_event(log, logging.WARNING, text, address, REASONS[code].message, code, mailbox=address, reason_code=code)
        raise build_grant_error(address, REASONS[code])

    def _get_valid_token(self, rejected: str | None) -> AccessToken | None:
        """Return the token of before, if it is valid and Gmail did not refuse it."""
        if self._last is None or self._last[0] == rejected:
            return None
        seconds = self._last[1] - time.monotonic()
        return AccessToken(token=self._last[0], seconds=seconds) if seconds > 0 else None
