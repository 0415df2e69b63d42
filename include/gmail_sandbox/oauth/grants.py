"""Grants: refresh tokens, access tokens and authorization codes, with their expiry and revocation."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from gmail_sandbox.fault_catalog import CAUSES, SCOPE_LOST

TESTING_SECONDS = 7 * 86400
IDLE_SECONDS = 183 * 86400
CODE_SECONDS = 600
TOKENS_PER_GRANT = 100
_SWEEP_EVERY = 20_000


@dataclass(slots=True)
class RefreshToken:
    """One refresh token of a grant; `revocation` is the cause, a key of `CAUSES`, or `SCOPE_LOST`."""

    token: str
    address: str
    client_id: str
    scopes: frozenset[str]
    expires_at: float | None
    last_used: float
    revocation: str | None = None

    def get_revocation(self, now: float) -> str | None:
        """Return why the token cannot be refreshed, or None while it is valid."""
        if self.revocation is not None and self.revocation != SCOPE_LOST:
            return self.revocation
        if self.expires_at is not None and now >= self.expires_at:
            return "revoked"
        return "revoked" if now - self.last_used > IDLE_SECONDS else None


@dataclass(slots=True)
class Grant:
    """The grant of one account to one client; incrementing `epoch` invalidates its access tokens."""

    address: str
    client_id: str
    tokens: dict[str, RefreshToken] = field(default_factory=dict)
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token."""

    address: str
    client_id: str
    scopes: frozenset[str]
    expires_at: float
    grant: Grant
    epoch: int

    def valid(self, now: float) -> bool:
        """Return whether Gmail accepts the token."""
        return now < self.expires_at and self.epoch == self.grant.epoch


@dataclass(slots=True)
class Code:
    """An authorization code."""

    address: str
    client_id: str
    redirect_uri: str
    scopes: frozenset[str]
    challenge: str | None
    with_refresh_token: bool
    expires_at: float
    used: bool = False


class Grants:
    """All grants of the sandbox."""

    def __init__(self) -> None:
        self.by_owner: dict[str, dict[str, Grant]] = {}
        self.users: dict[str, set[str]] = {}
        """The accounts that have ever had a grant, by client: Google counts them over the life of a project."""
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self.codes: dict[str, Code] = {}
        self._issued = 0

    def grant(self, address: str, client_id: str) -> Grant:
        """Return the grant of an account to a client; create it if it is missing."""
        by_client = self.by_owner.setdefault(address, {})
        self.users.setdefault(client_id, set()).add(address)
        if client_id not in by_client:
            by_client[client_id] = Grant(address, client_id)
        return by_client[client_id]

    def of(self, address: str, client_id: str | None = None) -> list[Grant]:
        """Return an account's grants, optionally only the one to a client."""
        grants = self.by_owner.get(address, {})
        return [grant for key, grant in grants.items() if client_id in (None, key)]

    def has_live(self, address: str, client_id: str, now: float) -> bool:
        """Return whether the account has a valid refresh token for the client."""
        tokens = self.by_owner.get(address, {}).get(client_id)
        return tokens is not None and any(token.get_revocation(now) is None for token in tokens.tokens.values())

    def issue_refresh(
        self, address: str, client_id: str, scopes: Iterable[str], now: float, expires_at: float | None = None
    ) -> RefreshToken:
        """Issue a refresh token; beyond 100 valid ones, the oldest is revoked without notice."""
        grant = self.grant(address, client_id)
        token = RefreshToken(f"1//0{secrets.token_urlsafe(72)}", address, client_id, frozenset(scopes), expires_at, now)
        self.refresh_tokens[token.token] = grant.tokens[token.token] = token
        valid = [other for other in grant.tokens.values() if other.revocation is None]
        for oldest in valid[: max(0, len(valid) - TOKENS_PER_GRANT)]:
            oldest.revocation = "revoked"
        return token

    def issue_access(
        self, address: str, client_id: str, scopes: frozenset[str], now: float, lifetime: float
    ) -> tuple[str, AccessToken]:
        """Issue an access token."""
        self._issued += 1
        if self._issued % _SWEEP_EVERY == 0:
            self._sweep(now)
        grant = self.grant(address, client_id)
        text = f"ya29.a0{secrets.token_urlsafe(120)}"
        token = AccessToken(address, client_id, scopes, now + lifetime, grant, grant.epoch)
        self.access_tokens[text] = token
        return text, token

    def issue_code(self, code: Code) -> str:
        """Issue an authorization code."""
        text = f"4/0A{secrets.token_urlsafe(48)}"
        self.codes[text] = code
        return text

    def revoke(self, grant: Grant, cause: str, *, keep_access_tokens: bool = False) -> None:
        """Revoke all valid refresh tokens of a grant and, unless kept, invalidate its access tokens."""
        if cause not in CAUSES and cause != SCOPE_LOST:
            raise ValueError(f"unknown cause: {cause}")
        for token in grant.tokens.values():
            token.revocation = token.revocation or cause
        if not keep_access_tokens:
            grant.epoch += 1

    def restore(self, grant: Grant) -> None:
        """Restore a revoked grant; its earlier access tokens stay invalid."""
        for token in grant.tokens.values():
            token.revocation = None

    def forget(self, address: str) -> None:
        """Delete all grants and tokens of an account."""
        for grant in self.by_owner.pop(address, {}).values():
            grant.epoch += 1
            for token in grant.tokens:
                del self.refresh_tokens[token]

    def _sweep(self, now: float) -> None:
        # Tokens expired for less than an hour are kept: faults and statistics need their address.
        expired = [text for text, token in self.access_tokens.items() if token.expires_at < now - 3600]
        for text in expired:
            del self.access_tokens[text]
