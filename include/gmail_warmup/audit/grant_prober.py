"""Probe one grant: request a token with its refresh token, or through the service account of a delegated mailbox.

If Gmail has refused the mailbox, or it is flagged, a Gmail call with the new token follows.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Protocol

from gmail_warmup.audit.gmail_prober import GmailProber, needs_gmail_call
from gmail_warmup.audit.recorder import ProbeResult
from gmail_warmup.audit.throttle_policy import ThrottlePolicy
from gmail_warmup.audit.token_prober import TokenProber
from gmail_warmup.core.enums import RefusingParty, ResponseCategory
from gmail_warmup.core.errors import CiphertextError, ConfigurationError
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db.models import GrantState, MailboxAuth
from gmail_warmup.oauth.circuit_breaker import CircuitBreaker
from gmail_warmup.oauth.grant import StoredGrant
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.refusal_policy import find_preflight_refusal
from gmail_warmup.oauth.token_endpoint import TokenResult

log = logging.getLogger(__name__)

MAX_TRANSIENT_TRIES = 2
"""Maximum number of requests for one grant while Google fails."""


class DelegatedTokenClient(Protocol):
    """Requests access tokens for delegated mailboxes."""

    @property
    def breaker_key(self) -> str:
        """Return the key of the service account's circuit breaker."""

    def request_token(self, address: str) -> TokenResult:
        """Request a token for one mailbox."""


def needs_probe(grant: StoredGrant, *, skip_within: int, force: bool) -> bool:
    """Return whether to probe a grant; a flagged one is skipped until its next probe is due.

    A state that only a consent ends is not probed, unless Gmail caused it: Gmail may accept the grant again.
    """
    ends_by_consent = grant.state in (GrantState.NEEDS_REAUTH, GrantState.ACCOUNT_DELETED)
    if ends_by_consent and grant.refused_by is not RefusingParty.GMAIL:
        return False
    if grant.state is not GrantState.ACTIVE:
        return grant.next_probe_at is None or grant.next_probe_at <= grant.now
    if force or grant.refreshed_at is None:
        return True
    return (grant.now - grant.refreshed_at).total_seconds() >= skip_within


class GrantProber:
    """Probe grants whose leases are held.

    Args:
        cipher: decrypts the refresh tokens.
        delegated: requests tokens for delegated mailboxes, if there are any, with its circuit breaker.
        blocked_reason: returns why no more requests may be sent for grants, or None.
    """

    def __init__(
        self,
        cipher: Cipher,
        token_prober: TokenProber,
        gmail_prober: GmailProber,
        throttle_policy: ThrottlePolicy,
        *,
        delegated: tuple[DelegatedTokenClient, CircuitBreaker] | None,
        blocked_reason: Callable[[], Reason | None],
    ) -> None:
        self._cipher, self._token_prober, self._gmail_prober = cipher, token_prober, gmail_prober
        self._throttle_policy = throttle_policy
        self._delegated, self._blocked_reason = delegated, blocked_reason

    async def probe_grant(self, grant: StoredGrant) -> ProbeResult:
        """Probe a grant."""
        probe = await self._probe_at_token_endpoint(grant)
        result = probe.token_result
        if result.reason.category is not ResponseCategory.OK or not needs_gmail_call(grant):
            return probe
        return dataclasses.replace(probe, gmail_reason=await self._gmail_prober.probe_mailbox(result.access_token))

    async def _probe_at_token_endpoint(self, grant: StoredGrant) -> ProbeResult:
        if grant.auth is MailboxAuth.DELEGATED:
            await self._throttle_policy.wait_for_turn()
            if reason := self._throttle_policy.stop_reason:
                return ProbeResult(grant=grant, token_result=TokenResult(reason=reason, request_sent=False))
            result = await asyncio.to_thread(self._request_delegated_token, grant.address)
            return ProbeResult(grant=grant, token_result=result)
        if reason := find_preflight_refusal(grant) or self._blocked_reason():
            return ProbeResult(grant=grant, token_result=TokenResult(reason=reason, request_sent=False))
        assert grant.refresh_token
        try:
            refresh_token = self._cipher.decrypt(grant.secret_owner, grant.refresh_token)
        except CiphertextError:
            result = TokenResult(reason=REASONS["undecryptable"], request_sent=False)
            return ProbeResult(grant=grant, token_result=result)
        result, elapsed = await self._probe_token(grant.mailbox_id, refresh_token)
        return ProbeResult(grant=grant, token_result=result, elapsed=elapsed)

    async def _probe_token(self, mailbox_id: int, refresh_token: str) -> tuple[TokenResult, float]:
        """Return the result of a token request, and the seconds since it was sent."""
        failed = 0
        while True:
            sent = await self._throttle_policy.wait_for_turn()
            if reason := self._blocked_reason():
                return TokenResult(reason=reason, request_sent=False), 0.0
            result = await self._token_prober.request_token(refresh_token)
            elapsed = time.monotonic() - sent
            if result.reason.category is ResponseCategory.THROTTLED:
                if not await self._throttle_policy.wait_for_retry(mailbox_id, result.retry_after, sent=sent):
                    return result, elapsed
            elif result.reason.category is ResponseCategory.TRANSIENT:
                failed += 1
                if failed >= MAX_TRANSIENT_TRIES:
                    return result, elapsed
                await asyncio.sleep(min(result.retry_after or 0.2, 30))
            else:
                self._throttle_policy.record_answer(mailbox_id, sent=sent)
                return result, elapsed

    def _request_delegated_token(self, address: str) -> TokenResult:
        assert self._delegated
        client, breaker = self._delegated
        if blocked := breaker.blocked_reason():
            return TokenResult(reason=blocked, request_sent=False)
        try:
            return client.request_token(address)
        except ConfigurationError as error:
            log.error("%s", error)
            return TokenResult(reason=REASONS["service_account_missing"])
