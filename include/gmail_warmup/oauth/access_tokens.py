"""Provide access tokens for mailboxes: the stored token while it is valid, otherwise one refresh for all processes."""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState, ResponseCategory
from gmail_warmup.core.errors import CiphertextError
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import NULL_METER, REFRESH, REFRESH_TIME, Meter
from gmail_warmup.db.engine import autocommit
from gmail_warmup.oauth.circuit_breaker import CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.errors import build_grant_error
from gmail_warmup.oauth.grant import Actor, StoredGrant, get_grant
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.leases import GrantLeases
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.refusal_policy import find_preflight_refusal, log_refusal, reinterpret_result
from gmail_warmup.oauth.token_endpoint import TokenEndpoint, TokenResult

log = logging.getLogger(__name__)

_POLL_SECONDS = (0.1, 0.2, 0.3)
"""Pauses between reads while another process refreshes; randomized, so that many waiting tasks do not read in step."""


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """An access token and its remaining seconds by the database clock.

    Attributes:
        grant_version: version of the grant that the token belongs to. An answer to the token says nothing about a grant
            with another version.
    """

    token: str = field(repr=False)
    seconds: float
    grant_version: int


@dataclass(frozen=True, kw_only=True)
class _ClientAccess:
    """The token endpoint and the circuit breaker of one OAuth client."""

    endpoint: TokenEndpoint
    breaker: CircuitBreaker


class AccessTokens:
    """Return access tokens, refreshing them where necessary.

    The lease is one short UPDATE; the request runs outside any transaction; its result is written by an UPDATE that
    compares the version. A process that finds the lease held uses the stored token while it is valid, otherwise it
    waits for the lease holder to finish.

    Args:
        open_endpoint: returns the token endpoint for the Connection of a client. It is called before the first refresh;
            most tasks find a valid token and need no OAuth client.
        margin: remaining seconds below which a token is refreshed.
        lease: seconds for which a refresh holds the lease; longer than its request.
    """

    def __init__(
        self,
        store: GrantStore,
        open_endpoint: Callable[[str | None], TokenEndpoint],
        *,
        actor: Actor,
        margin: int = 300,
        lease: int = 60,
        sleep: Callable[[float], None] = time.sleep,
        meter: Meter = NULL_METER,
    ) -> None:
        self._store, self._open_endpoint, self._actor, self._meter = store, open_endpoint, actor, meter
        self._clients: dict[str | None, _ClientAccess] = {}
        self._margin, self._lease, self._sleep = margin, lease, sleep

    def _get_client(self, grant: StoredGrant) -> _ClientAccess:
        """Return the access to the client of a grant; its Connection is read before its first refresh."""
        conn_id = grant.client_conn_id
        if conn_id not in self._clients:
            endpoint = self._open_endpoint(conn_id)
            breaker = CircuitBreaker(self._store.engine, endpoint.client.client_id, lease=self._lease)
            self._clients[conn_id] = _ClientAccess(endpoint=endpoint, breaker=breaker)
        return self._clients[conn_id]

    def get_token(self, address: str, *, rejected: str | None = None, known: StoredGrant | None = None) -> AccessToken:
        """Return a valid access token for a mailbox.

        Args:
            rejected: the access token that Gmail refused, if it did; it is not returned again.
            known: the grant, if the caller has just read it; saves a round trip.

        Raises:
            FlaggedGrantError: the mailbox needs a person or an administrator.
            SuspectGrantError: Google refused the grant once; a second probe decides.
            TransientGrantError: Google or the network fails, and no valid token is stored.
            OAuthClientError: Google refuses the OAuth client.
            CircuitOpenError: the circuit breaker is open, and no valid token is stored.
            UnreadableGrantError: the row cannot be decrypted.
            UnknownMailboxError: no mailbox has this address.
        """
        leases = GrantLeases(self._store.engine, seconds=self._lease)
        deadline = time.monotonic() + self._lease + 5
        while True:
            result = self._get_token_or_lease(address, known, rejected, leases, deadline)
            token = result if isinstance(result, AccessToken) else self._refresh_token(result, leases, rejected)
            if token:
                return token
            known = None

    def _get_token_or_lease(
        self, address: str, known: StoredGrant | None, rejected: str | None, leases: GrantLeases, deadline: float
    ) -> AccessToken | StoredGrant:
        """Return a stored token, or the grant with its lease taken; wait while another process refreshes it.

        Uses one connection, which is released before the token request.

        Raises:
            GrantError: there is neither, or the lease holder takes longer than the duration of a lease.
        """
        if known and (token := self._get_cached_token(known, rejected)):
            return token
        with autocommit(self._store.engine) as connection:
            grant = known or get_grant(connection, address)
            for attempt in itertools.count():
                if token := self._get_cached_token(grant, rejected):
                    return token
                if not grant.is_leased and (leased := leases.take_on(connection, [grant.mailbox_id])):
                    return leased[0]
                if token := self._get_valid_token(grant, rejected):
                    return token
                if time.monotonic() > deadline:
                    break
                pause = _POLL_SECONDS[min(attempt, len(_POLL_SECONDS) - 1)]
                self._sleep(random.uniform(0.6, 1.4) * pause)  # noqa: S311
                grant = get_grant(connection, address)
        raise build_grant_error(address, REASONS["unreachable"])

    def _get_cached_token(self, grant: StoredGrant, rejected: str | None) -> AccessToken | None:
        """Return the stored token if no refresh is necessary, otherwise None.

        Raises:
            GrantError: the mailbox is flagged, or is suspect and has no valid token.
        """
        if grant.state in FLAGGED_STATES:
            raise build_grant_error(grant.address, REASONS.look_up(grant.reason, "never_granted"))
        token = self._get_valid_token(grant, rejected)
        if token and (grant.access_seconds > self._margin or grant.awaits_probe):
            return token
        if grant.awaits_probe:
            raise build_grant_error(grant.address, REASONS.look_up(grant.reason, "grant_refused"))
        return None

    def _get_valid_token(self, grant: StoredGrant, rejected: str | None) -> AccessToken | None:
        if grant.access_token is None or grant.access_seconds <= 0:
            return None
        token = self._decrypt_token(grant, grant.access_token)
        if token == rejected:
            return None
        return AccessToken(token=token, seconds=grant.access_seconds, grant_version=grant.version)

    def _refresh_token(self, grant: StoredGrant, leases: GrantLeases, rejected: str | None) -> AccessToken | None:
        """Refresh a leased grant; return None if the grant was replaced in the meantime and has to be read again."""
        # Another process may have refreshed it between the read and the lease.
        valid_token = self._get_valid_token(grant, rejected)
        if valid_token and grant.access_seconds > self._margin:
            leases.release([grant.mailbox_id])
            return valid_token
        try:
            result, elapsed = self._request_token(grant)
        except BaseException as error:
            leases.release([grant.mailbox_id])
            if valid_token and isinstance(error, Exception):
                # For example, the Connection of the OAuth client cannot be read at the moment.
                self._log_kept_token(grant, type(error).__name__)
                return valid_token
            raise
        if result.reason.category is ResponseCategory.OK:
            return self._store_token(grant, result, elapsed)
        if result.reason.state is not None:
            return self._record_refusal(grant, result.reason, valid_token)
        leases.release([grant.mailbox_id])
        if valid_token:
            self._log_kept_token(grant, result.reason.code)
            return valid_token
        raise build_grant_error(grant.address, result.reason, result.retry_after, request_sent=result.request_sent)

    def _log_kept_token(self, grant: StoredGrant, cause: str) -> None:
        text = "Refreshing %s failed [%s]; its access token is still valid"
        log_event(log, logging.WARNING, text, grant.address, cause, mailbox=grant.address, reason_code=cause)

    def _record_refusal(
        self, grant: StoredGrant, reason: Reason, valid_token: AccessToken | None
    ) -> AccessToken | None:
        """Store a refusal; return None if the grant was replaced in the meantime.

        Raises:
            GrantError: no access token is valid any more.
        """
        written = self._store.record_refusal(grant, reason, actor=self._actor)
        if written is None:
            text = "The grant of %s was replaced while it was refused; the refusal is dropped"
            log_event(log, logging.INFO, text, grant.address, mailbox=grant.address, reason_code=reason.code)
            return None
        log_refusal(written)
        if valid_token and written.state is GrantState.SUSPECT:
            return valid_token
        raise build_grant_error(grant.address, REASONS.look_up(written.reason, reason.code))

    def _request_token(self, grant: StoredGrant) -> tuple[TokenResult, float]:
        """Return the result of a token request, and the seconds since it was sent."""
        if refusal := find_preflight_refusal(grant):
            return TokenResult(reason=refusal, request_sent=False), 0.0
        assert grant.refresh_token
        refresh_token = self._decrypt_token(grant, grant.refresh_token)
        client = self._get_client(grant)
        if blocked := client.breaker.blocked_reason():
            return TokenResult(reason=blocked, request_sent=False), 0.0
        started = time.monotonic()
        result = client.endpoint.refresh_access_token(refresh_token)
        elapsed = time.monotonic() - started
        result = reinterpret_result(
            result, grant, client.endpoint.client.client_id, recently_succeeded=client.breaker.recently_succeeded
        )
        client.breaker.record_outcomes(
            [RequestOutcome(mailbox_id=grant.mailbox_id, reason=result.reason, retry_after=result.retry_after)]
        )
        self._meter.increment_counter(REFRESH, result.reason.category)
        self._meter.record_duration(REFRESH_TIME, elapsed)
        return result, time.monotonic() - started

    def _store_token(self, grant: StoredGrant, result: TokenResult, elapsed: float) -> AccessToken | None:
        client_id = self._get_client(grant).endpoint.client.client_id
        try:
            written = self._store.record_tokens(grant, result, elapsed=elapsed, client_id=client_id, actor=self._actor)
        except SQLAlchemyError as error:
            # The token is valid even though it is not stored: this task uses it, and the next one refreshes again.
            text = "Could not store the new access token of %s: %s"
            cause, code = type(error).__name__, REASONS["write_failed"].code
            log_event(log, logging.WARNING, text, grant.address, cause, mailbox=grant.address, reason_code=code)
            return _to_access_token(result, elapsed, grant_version=grant.version)
        if not written:
            text = "The grant of %s was replaced while it was refreshed; the newer one is used"
            log_event(log, logging.INFO, text, grant.address, mailbox=grant.address)
            return None
        text = "Successfully refreshed expired credentials for %s. Updated OAuth token for account %s"
        log_event(log, logging.INFO, text, grant.address, grant.address, mailbox=grant.address)
        return _to_access_token(result, elapsed, grant_version=grant.version + 1)  # the write raised it

    def _decrypt_token(self, grant: StoredGrant, ciphertext: str) -> str:
        try:
            return self._store.cipher.decrypt(grant.secret_owner, ciphertext)
        except CiphertextError as error:
            raise build_grant_error(grant.address, REASONS["undecryptable"]) from error


def _to_access_token(result: TokenResult, elapsed: float, *, grant_version: int) -> AccessToken:
    return AccessToken(token=result.access_token, seconds=result.expires_in - elapsed, grant_version=grant_version)
