"""Service accounts with domain-wide delegation: the grant type ``jwt-bearer`` (RFC 7523).

Source of the claims and of the refusals: Google, "Using OAuth 2.0 for server to server applications", with its table
of JWT error codes. The order of the checks is not documented; here each check needs only the results of earlier ones.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from google.auth import crypt, jwt
from google.auth.exceptions import GoogleAuthError

from gmail_sandbox.addresses import domain_of
from gmail_sandbox.cloud.managed_key import managed_key_pair
from gmail_sandbox.oauth import errors
from gmail_sandbox.records import ServiceAccount
from gmail_sandbox.responses import Answer
from gmail_sandbox.state import World

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = frozenset(
    {
        "https://oauth2.googleapis.com/token",
        "https://accounts.google.com/o/oauth2/token",
        "https://www.googleapis.com/oauth2/v4/token",
    }
)
"""Google's own endpoints: google-auth uses the first one as audience, whatever `token_uri` it sends to."""

SKEW_SECONDS = 300
LONGEST_SECONDS = 3900
"""Google: at most 65 minutes from iat to exp."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A service account's signed token request, not yet verified."""

    signed: str
    signature: bytes
    algorithm: str
    claims: dict[str, Any]
    account: ServiceAccount | None

    @property
    def address(self) -> str:
        """Return the address of the impersonated user, or an empty string."""
        return self._text("sub").lower()

    @property
    def client_id(self) -> str:
        """Return the service account's client id, or an empty string if the account is unknown."""
        return self.account.client_id if self.account is not None else ""

    @property
    def scopes(self) -> frozenset[str]:
        """Return the requested scopes."""
        return frozenset(self._text("scope").split())

    def verified(self, account: ServiceAccount) -> bool:
        """Return whether the signature matches the account's key, or the one that Google manages for it."""
        if self.algorithm != "RS256":
            return False
        keys = [account.public_key, *([managed_key_pair()[1]] if account.machine_may_sign else [])]
        return any(crypt.verify_signature(self.signed, self.signature, key) for key in keys)

    def timely(self, now: float) -> bool:
        """Return whether the assertion is valid now and its lifetime is within Google's limit."""
        issued, ends = self.claims.get("iat"), self.claims.get("exp")
        if not isinstance(issued, int | float) or not isinstance(ends, int | float):
            return False
        return issued - SKEW_SECONDS <= now <= ends + SKEW_SECONDS and 0 <= ends - issued <= LONGEST_SECONDS

    def _text(self, claim: str) -> str:
        value = self.claims.get(claim)
        return value if isinstance(value, str) else ""


def read_assertion(world: World, text: str) -> Assertion | None:
    """Parse an assertion without verifying it; return None if it is not a JWT."""
    signed, _, encoded = text.rpartition(".")
    try:
        header, claims = jwt.decode_header(text), jwt.decode(text, verify=False)
        signature = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (GoogleAuthError, binascii.Error, ValueError):
        return None
    account = world.service_accounts.get(str(claims.get("iss", "")).lower())
    return Assertion(signed, signature, str(header.get("alg", "")), dict(claims), account)


def refusal(world: World, assertion: Assertion, endpoint: str) -> Answer | None:
    """Return Google's refusal of the assertion, or None; ``endpoint`` is the URL to which the request was sent."""
    account = assertion.account
    if account is None or account.disabled:
        return errors.SERVICE_ACCOUNT_NOT_FOUND
    if not assertion.verified(account):
        return errors.JWT_SIGNATURE
    if assertion.claims.get("aud") not in AUDIENCES | {endpoint}:
        return errors.JWT_AUDIENCE
    if not assertion.timely(world.clock.now()):
        return errors.JWT_TIME
    if not assertion.scopes:
        return errors.JWT_NO_SCOPE
    if assertion.address not in world.mailboxes:
        return errors.NO_SUCH_USER
    if not assertion.scopes <= account.delegated.get(domain_of(assertion.address), frozenset()):
        return errors.NOT_DELEGATED
    return None
