"""Access tokens for mailboxes: from the row while they are valid, else by one refresh over all processes."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.db.models import GrantState
from gmail_warmup.errors import CiphertextError
from gmail_warmup.grants.endpoint import TokenEndpoint, Verdict
from gmail_warmup.grants.errors import error_for
from gmail_warmup.grants.reasons import REASONS, AnswerClass, Reason
from gmail_warmup.grants.store import Actor, GrantStore, StoredGrant

log = logging.getLogger(__name__)

_POLL_SECONDS = (0.05, 0.1, 0.2, 0.4)
FLAGGED = frozenset(
    {GrantState.NEEDS_REAUTH, GrantState.BLOCKED_BY_ADMIN, GrantState.ACCOUNT_DELETED, GrantState.DISABLED}
)


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """An access token and for how many seconds it is valid, by the database's clock."""

    token: str = field(repr=False)
    seconds: float


class AccessTokens:
    """Hand out access tokens.

    The lease is one short UPDATE; the request runs outside any transaction; its result is written by an UPDATE that
    compares the version. Who finds the lease taken uses the stored token while it is valid, and else waits for the row.
    """

    def __init__(
        self,
        store: GrantStore,
        endpoint: TokenEndpoint,
        *,
        actor: Actor,
        margin: int = 300,
        lease: int = 60,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._endpoint, self._actor = store, endpoint, actor
        self._margin, self._lease, self._sleep = margin, lease, sleep

    def get(self, address: str, *, rejected: str | None = None, known: StoredGrant | None = None) -> AccessToken:
        """Return a valid access token for a mailbox.

        Args:
            rejected: the access token that Gmail refused, if it did; it is not handed out again.
            known: the grant, where the caller has just read it; saves a round trip.

        Raises:
            FlaggedGrantError: the mailbox needs a person or an administrator.
            SuspectGrantError: Google's answer may mean so; a second probe decides.
            TransientGrantError: Google or the network is in trouble, and no valid token is stored.
            OAuthClientError: the OAuth client is wrong.
            UnreadableGrantError: the row cannot be decrypted.
            UnknownMailboxError: no mailbox has this address.
        """
        holder = uuid.uuid4().hex
        give_up = time.monotonic() + self._lease + 5
        for attempt in range(1_000_000):
            grant = known or self._store.read(address)
            known = None
            if grant.state in FLAGGED:
                raise error_for(address, REASONS[grant.reason or "never_granted"])
            usable = self._usable(grant, rejected)
            if usable and grant.access_seconds > self._margin:
                return usable
            if grant.awaits_probe:
                if usable:
                    return usable
                raise error_for(address, REASONS[grant.reason or "grant_refused"])
            leased = (
                [] if grant.leased else self._store.take_leases([grant.mailbox_id], holder=holder, seconds=self._lease)
            )
            if leased:
                token = self._refresh(leased[0], holder, rejected)
                if token:
                    return token
                continue
            if usable:
                return usable
            if time.monotonic() > give_up:
                break
            self._sleep(_POLL_SECONDS[min(attempt, len(_POLL_SECONDS) - 1)])
        raise error_for(address, REASONS["unreachable"])

    def _usable(self, grant: StoredGrant, rejected: str | None) -> AccessToken | None:
        if grant.access_token is None or grant.access_seconds <= 0:
            return None
        token = self._decrypt(grant, grant.access_token)
        return None if token == rejected else AccessToken(token=token, seconds=grant.access_seconds)

    def _refresh(self, grant: StoredGrant, holder: str, rejected: str | None) -> AccessToken | None:
        """Refresh under a lease that is held; None means that the grant was replaced meanwhile: look again."""
        # Between the look and the lease somebody else may have refreshed it.
        usable = self._usable(grant, rejected)
        if usable and grant.access_seconds > self._margin:
            self._store.release([grant.mailbox_id], holder=holder)
            return usable
        started = time.monotonic()
        try:
            verdict = self._ask(grant)
        except BaseException:
            self._store.release([grant.mailbox_id], holder=holder)
            raise
        elapsed = time.monotonic() - started
        if verdict.reason.answer is AnswerClass.OK:
            return self._keep(grant, verdict, elapsed)
        if verdict.reason.state is not None:
            written = self._store.record_reason(grant, verdict.reason, actor=self._actor)
            if written is None:
                log.info("The grant of %s was replaced while it was refused; the refusal is dropped", grant.address)
                return None
            log.warning("The grant of %s: %s [%s]", grant.address, written.sentence, written.code)
            raise error_for(grant.address, written)
        self._store.release([grant.mailbox_id], holder=holder)
        if usable:
            log.warning(
                "Refreshing %s failed [%s]; its access token is still valid", grant.address, verdict.reason.code
            )
            return usable
        raise error_for(grant.address, verdict.reason, verdict.retry_after)

    def _ask(self, grant: StoredGrant) -> Verdict:
        refusal = local_refusal(grant)
        if refusal:
            return Verdict(reason=refusal)
        assert grant.refresh_token
        verdict = self._endpoint.refresh(self._decrypt(grant, grant.refresh_token))
        return with_client(verdict, grant, self._endpoint.client.client_id)

    def _keep(self, grant: StoredGrant, verdict: Verdict, elapsed: float) -> AccessToken | None:
        log.info("Successfully refreshed expired credentials for %s", grant.address)
        client_id = self._endpoint.client.client_id
        try:
            written = self._store.record_tokens(grant, verdict, elapsed=elapsed, client_id=client_id, actor=self._actor)
        except SQLAlchemyError as error:
            # The token is good all the same: the task goes on, and the next one refreshes again.
            log.warning("Could not store the new access token of %s: %s", grant.address, type(error).__name__)
            return AccessToken(token=verdict.access_token, seconds=verdict.expires_in - elapsed)
        if not written:
            log.info("The grant of %s was replaced while it was refreshed; the newer one is used", grant.address)
            return None
        log.info("Updated OAuth token for account %s", grant.address)
        return AccessToken(token=verdict.access_token, seconds=verdict.expires_in - elapsed)

    def _decrypt(self, grant: StoredGrant, ciphertext: str) -> str:
        try:
            return self._store.cipher.decrypt(grant.owner, ciphertext)
        except CiphertextError as error:
            raise error_for(grant.address, REASONS["undecryptable"]) from error


def local_refusal(grant: StoredGrant) -> Reason | None:
    """Return why a refresh is not worth a request, or None if it is."""
    if grant.refresh_token is None:
        return REASONS["no_refresh_token"]
    if grant.refresh_expires_at is not None and grant.refresh_expires_at <= grant.now:
        return REASONS["expired_as_foretold"]
    return None


def with_client(verdict: Verdict, grant: StoredGrant, client_id: str) -> Verdict:
    """Read an unexplained refusal as the client's fault where the grant came from another client."""
    if verdict.reason.code == "grant_refused" and grant.client_id not in (None, client_id):
        return Verdict(reason=REASONS["unauthorized_client"])
    return verdict
