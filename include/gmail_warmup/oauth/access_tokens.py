"""Access tokens for mailboxes: from the row while they are valid, else by one refresh over all processes."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.core.enums import FLAGGED_STATES, GrantState, ResponseCategory
from gmail_warmup.core.errors import CiphertextError
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import NULL_METER, REFRESH, REFRESH_TIME, Meter
from gmail_warmup.oauth.circuit_breaker import CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.errors import build_grant_error
from gmail_warmup.oauth.grant_store import Actor, GrantStore, StoredGrant
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import TokenEndpoint, TokenResult

log = logging.getLogger(__name__)

_POLL_SECONDS = (0.1, 0.2, 0.3)
"""Pauses of who waits for another process's refresh; spread, so that many who wait do not ask in step."""


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """An access token and for how many seconds it is valid, by the database's clock."""

    token: str = field(repr=False)
    seconds: float


class AccessTokens:
    """Hand out access tokens.

    The lease is one short UPDATE; the request runs outside any transaction; its result is written by an UPDATE that
    compares the version. Who finds the lease taken uses the stored token while it is valid, and else waits for the row.

    Args:
        endpoint: called before the first refresh; most tasks find a valid token and need neither it nor the client.
    """

    def __init__(
        self,
        store: GrantStore,
        endpoint: Callable[[], TokenEndpoint],
        *,
        actor: Actor,
        margin: int = 300,
        lease: int = 60,
        sleep: Callable[[float], None] = time.sleep,
        meter: Meter = NULL_METER,
    ) -> None:
        self._store, self._open_endpoint, self._actor, self._meter = store, endpoint, actor, meter
        self._margin, self._lease, self._sleep = margin, lease, sleep

    @functools.cached_property
    def _endpoint(self) -> TokenEndpoint:
        return self._open_endpoint()

    @functools.cached_property
    def _breaker(self) -> CircuitBreaker:
        return CircuitBreaker(self._store.engine, self._endpoint.client.client_id, lease=self._lease)

    def get_token(self, address: str, *, rejected: str | None = None, known: StoredGrant | None = None) -> AccessToken:
        """Return a valid access token for a mailbox.

        Args:
            rejected: the access token that Gmail refused, if it did; it is not handed out again.
            known: the grant, where the caller has just read it; saves a round trip.

        Raises:
            FlaggedGrantError: the mailbox needs a person or an administrator.
            SuspectGrantError: Google's answer may mean so; a second probe decides.
            TransientGrantError: Google or the network is in trouble, and no valid token is stored.
            OAuthClientError: the OAuth client is wrong.
            NotAskedError: the breaker is open, and no valid token is stored.
            UnreadableGrantError: the row cannot be decrypted.
            UnknownMailboxError: no mailbox has this address.
        """
        holder = uuid.uuid4().hex
        give_up = time.monotonic() + self._lease + 5
        while True:
            found = self._get_token_or_lease(address, known, rejected, holder, give_up)
            token = found if isinstance(found, AccessToken) else self._refresh_token(found, holder, rejected)
            if token:
                return token
            known = None

    def _get_token_or_lease(
        self, address: str, known: StoredGrant | None, rejected: str | None, holder: str, give_up: float
    ) -> AccessToken | StoredGrant:
        """Return a stored token, or the grant with its lease taken; wait while somebody else refreshes it.

        All on one connection, which is given back before Google is asked.

        Raises:
            GrantError: there is neither, or who holds the lease takes longer than a lease.
        """
        if known and (token := self._get_cached_token(known, rejected)):
            return token
        with self._store.open_reader() as look:
            grant = known or look.read_grant(address)
            for attempt in itertools.count():
                if token := self._get_cached_token(grant, rejected):
                    return token
                if not grant.is_leased and (leased := look.take_lease(grant, holder=holder, seconds=self._lease)):
                    return leased
                if usable := self._get_valid_token(grant, rejected):
                    return usable
                if time.monotonic() > give_up:
                    break
                pause = _POLL_SECONDS[min(attempt, len(_POLL_SECONDS) - 1)]
                self._sleep(random.uniform(0.6, 1.4) * pause)  # noqa: S311
                grant = look.read_grant(address)
        raise build_grant_error(address, REASONS["unreachable"])

    def _get_cached_token(self, grant: StoredGrant, rejected: str | None) -> AccessToken | None:
        """Return the stored token where nothing has to be asked; None where Google has to be.

        Raises:
            GrantError: the mailbox is flagged, or is suspect and without a valid token.
        """
        if grant.state in FLAGGED_STATES:
            raise build_grant_error(grant.address, REASONS[grant.reason or "never_granted"])
        usable = self._get_valid_token(grant, rejected)
        if usable and (grant.access_seconds > self._margin or grant.awaits_probe):
            return usable
        if grant.awaits_probe:
            raise build_grant_error(grant.address, REASONS[grant.reason or "grant_refused"])
        return None

    def _get_valid_token(self, grant: StoredGrant, rejected: str | None) -> AccessToken | None:
        if grant.access_token is None or grant.access_seconds <= 0:
            return None
        token = self._decrypt_token(grant, grant.access_token)
        return None if token == rejected else AccessToken(token=token, seconds=grant.access_seconds)

    def _refresh_token(self, grant: StoredGrant, holder: str, rejected: str | None) -> AccessToken | None:
        """Refresh under a lease that is held; None means that the grant was replaced meanwhile: look again."""
        # Between the look and the lease somebody else may have refreshed it.
        usable = self._get_valid_token(grant, rejected)
        if usable and grant.access_seconds > self._margin:
            self._store.release_leases([grant.mailbox_id], holder=holder)
            return usable
        try:
            verdict, elapsed = self._request_token(grant)
        except BaseException:
            self._store.release_leases([grant.mailbox_id], holder=holder)
            raise
        if verdict.reason.category is ResponseCategory.OK:
            return self._store_token(grant, verdict, elapsed)
        if verdict.reason.state is not None:
            return self._record_refusal(grant, verdict.reason, usable)
        self._store.release_leases([grant.mailbox_id], holder=holder)
        if usable:
            code = verdict.reason.code
            text = "Refreshing %s failed [%s]; its access token is still valid"
            log_event(log, logging.WARNING, text, grant.address, code, mailbox=grant.address, reason_code=code)
            return usable
        raise build_grant_error(grant.address, verdict.reason, verdict.retry_after, asked=verdict.request_sent)

    def _record_refusal(self, grant: StoredGrant, reason: Reason, usable: AccessToken | None) -> AccessToken | None:
        """Write a refusal, and raise it unless a token is still valid; None if it was about a grant that is gone."""
        written = self._store.record_refusal(grant, reason, actor=self._actor)
        if written is None:
            text = "The grant of %s was replaced while it was refused; the refusal is dropped"
            log_event(log, logging.INFO, text, grant.address, mailbox=grant.address, reason_code=reason.code)
            return None
        log_refusal(written)
        if usable and written.state is GrantState.SUSPECT:
            return usable
        raise build_grant_error(grant.address, REASONS[written.reason or reason.code])

    def _request_token(self, grant: StoredGrant) -> tuple[TokenResult, float]:
        """Return Google's verdict, and the seconds since it was asked."""
        refusal = find_preflight_refusal(grant)
        if refusal:
            return TokenResult(reason=refusal, request_sent=False), 0.0
        assert grant.refresh_token
        token = self._decrypt_token(grant, grant.refresh_token)
        if closed := self._breaker.blocked_reason():
            return TokenResult(reason=closed, request_sent=False), 0.0
        started = time.monotonic()
        verdict = self._endpoint.refresh_access_token(token)
        elapsed = time.monotonic() - started
        verdict = reinterpret_result(
            verdict, grant, self._endpoint.client.client_id, works_lately=self._breaker.recently_succeeded
        )
        self._breaker.record_outcomes(
            [RequestOutcome(mailbox_id=grant.mailbox_id, reason=verdict.reason, retry_after=verdict.retry_after)]
        )
        self._meter.increment_counter(REFRESH, verdict.reason.category)
        self._meter.record_duration(REFRESH_TIME, elapsed)
        return verdict, time.monotonic() - started

    def _store_token(self, grant: StoredGrant, verdict: TokenResult, elapsed: float) -> AccessToken | None:
        client_id = self._endpoint.client.client_id
        try:
            written = self._store.record_tokens(grant, verdict, elapsed=elapsed, client_id=client_id, actor=self._actor)
        except SQLAlchemyError as error:
            # The token is good all the same: the task goes on, and the next one refreshes again.
            text = "Could not store the new access token of %s: %s"
            cause, code = type(error).__name__, REASONS["write_failed"].code
            log_event(log, logging.WARNING, text, grant.address, cause, mailbox=grant.address, reason_code=code)
            return AccessToken(token=verdict.access_token, seconds=verdict.expires_in - elapsed)
        if not written:
            text = "The grant of %s was replaced while it was refreshed; the newer one is used"
            log_event(log, logging.INFO, text, grant.address, mailbox=grant.address)
            return None
        text = "Successfully refreshed expired credentials for %s. Updated OAuth token for account %s"
        log_event(log, logging.INFO, text, grant.address, grant.address, mailbox=grant.address)
        return AccessToken(token=verdict.access_token, seconds=verdict.expires_in - elapsed)

    def _decrypt_token(self, grant: StoredGrant, ciphertext: str) -> str:
        try:
            return self._store.cipher.decrypt(grant.secret_owner, ciphertext)
        except CiphertextError as error:
            raise build_grant_error(grant.address, REASONS["undecryptable"]) from error


def find_preflight_refusal(grant: StoredGrant) -> Reason | None:
    """Return why a refresh is not worth a request, or None if it is."""
    if grant.refresh_token is None:
        return REASONS["no_refresh_token"]
    if grant.refresh_expires_at is not None and grant.refresh_expires_at <= grant.now:
        return REASONS["expired_as_foretold"]
    return None


def reinterpret_result(verdict: TokenResult, grant: StoredGrant, client_id: str, *, works_lately: bool) -> TokenResult:
    """Read an answer in the light of what else is known: which client issued the grant, and whether others work.

    An unexplained refusal of a grant that another client issued is no verdict about the grant. A client that "may not
    use" one grant while it refreshes others does so because that one is another client's.
    """
    code = verdict.reason.code
    if code == "grant_refused" and grant.client_id not in (None, client_id):
        code = "unauthorized_client"
    if code == "unauthorized_client" and works_lately:
        code = "other_client"
    return verdict if code == verdict.reason.code else dataclasses.replace(verdict, reason=REASONS[code])


def log_refusal(written: GrantUpdate) -> None:
    """Log what was written about a refused grant, in the words that people search for."""
    reason, address = REASONS[written.reason or "unknown_answer"], written.grant.address
    if written.state is GrantState.NEEDS_REAUTH:
        text = "Account %s needs re-authentication: %s [%s]"
    elif written.state in FLAGGED_STATES:
        text = "Account %s cannot be used: %s [%s]"
    else:
        text = "Failed to refresh credentials for %s, a second probe decides: %s [%s]"
    log_event(
        log, logging.WARNING, text, address, reason.message, reason.code, mailbox=address, reason_code=reason.code
    )
