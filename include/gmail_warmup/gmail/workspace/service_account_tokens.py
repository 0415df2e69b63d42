"""Access tokens for delegated mailboxes, requested through the service account and not stored."""

from __future__ import annotations

import logging
import time
from typing import NoReturn

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState, ResponseCategory
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import NULL_METER, REFRESH, REFRESH_TIME, Meter
from gmail_warmup.gmail.workspace.service_account import ServiceAccount
from gmail_warmup.oauth.access_tokens import AccessToken
from gmail_warmup.oauth.circuit_breaker import CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.errors import build_grant_error
from gmail_warmup.oauth.grant import Actor, StoredGrant
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.refusal_policy import adjust_delegated_reason
from gmail_warmup.oauth.token_endpoint import TokenResult

log = logging.getLogger(__name__)


class ServiceAccountTokens:
    """Return access tokens of delegated mailboxes.

    Tokens are requested when needed and not stored in the database: there is no refresh token to protect, and
    concurrent requests do not interfere. Refusals are recorded in the mailbox's grant row, as for OAuth grants.
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
        self._last: tuple[str, float, int] | None = None
        """The last token, the time at which it expires, and the version of its mailbox's grant."""

    def get_token(self, address: str, *, rejected: str | None = None, known: StoredGrant | None = None) -> AccessToken:
        """Return a valid access token for a mailbox.

        Args:
            rejected: the access token that Gmail refused, if any; it is not returned again.
            known: the mailbox's grant, if the caller has just read it.

        Raises:
            FlaggedGrantError: an administrator must act, or the mailbox awaits its next probe.
            SuspectGrantError: Google's response is ambiguous; a second probe decides.
            TransientGrantError: Google or the network failed, and the last token is no longer valid.
            OAuthClientError: the service account or this machine's clock is wrong.
            CircuitOpenError: the breaker is open.
            ConfigurationError: the Connection is missing or contains no usable service account key.
            UnknownMailboxError: no mailbox has this address.
        """
        grant = known or self._store.read_grant(address)
        if grant.state in FLAGGED_STATES or grant.awaits_probe:
            raise build_grant_error(address, REASONS.look_up(grant.reason, "delegation_refused"))
        started = time.monotonic()
        result = self._request_token(grant)
        if result.reason.category is ResponseCategory.OK:
            self._last = result.access_token, started + result.expires_in, self._record_recovery(grant)
            return self._build_last_token(self._last)
        if result.reason.state is not None:
            self._record_refusal(grant, result)
        if usable := self._get_valid_token(address, rejected, cause=result.reason.code):
            return usable
        raise build_grant_error(address, result.reason, result.retry_after, request_sent=result.request_sent)

    def _request_token(self, grant: StoredGrant) -> TokenResult:
        if closed := self._breaker.blocked_reason():
            return TokenResult(reason=closed, request_sent=False)
        started = time.monotonic()
        result = self._delegation.request_token(grant.address)
        self._meter.increment_counter(REFRESH, result.reason.category)
        self._meter.record_duration(REFRESH_TIME, time.monotonic() - started)
        self._breaker.record_outcomes(
            [RequestOutcome(mailbox_id=grant.mailbox_id, reason=result.reason, retry_after=result.retry_after)]
        )
        return result

    def _record_recovery(self, grant: StoredGrant) -> int:
        """End the refusal of a mailbox that works again; return the version of its grant."""
        if grant.state is GrantState.ACTIVE or grant.is_suspected_by_gmail:
            return grant.version
        recovery = self._store.build_token_success(grant)
        return grant.version + len(self._store.apply_updates([recovery], actor=self._actor))

    def _record_refusal(self, grant: StoredGrant, result: TokenResult) -> NoReturn:
        reason = adjust_delegated_reason(grant, result.reason)
        written = self._store.record_refusal(grant, reason, actor=self._actor)
        code = written.reason if written and written.reason else reason.code
        text, address = "Delegated mailbox %s: %s [%s]", grant.address
        log_event(log, logging.WARNING, text, address, REASONS[code].message, code, mailbox=address, reason_code=code)
        raise build_grant_error(address, REASONS[code])

    def _get_valid_token(self, address: str, rejected: str | None, *, cause: str) -> AccessToken | None:
        """Return the last token if it is still valid and Gmail did not refuse it."""
        if self._last is None or self._last[0] == rejected or self._last[1] <= time.monotonic():
            return None
        text = "Token request for %s failed [%s]; the last token is still valid"
        log_event(log, logging.WARNING, text, address, cause, mailbox=address, reason_code=cause)
        return self._build_last_token(self._last)

    @staticmethod
    def _build_last_token(last: tuple[str, float, int]) -> AccessToken:
        token, expires, grant_version = last
        return AccessToken(token=token, seconds=expires - time.monotonic(), grant_version=grant_version)
