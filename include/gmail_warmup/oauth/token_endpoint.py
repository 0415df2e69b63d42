"""Send token requests and classify their responses.

This module does not access the database. ``classify_response`` is the complete table of errors; the order of its
checks matters: transport, status, body, ``error``, subtype and description, default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from gmail_warmup.core.http_utils import parse_json, parse_retry_after
from gmail_warmup.core.network.client import open_client
from gmail_warmup.oauth.reasons import REASONS, Reason

GOOGLE_AUTH_URI = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  an address, not a secret
GOOGLE_API = "https://gmail.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/gmail.modify"
"""The only scope. It covers sending, reading, labels and drafts, so there is no optional permission to deselect."""

SUFFICIENT_SCOPES = frozenset({SCOPE, "https://mail.google.com/"})
_MAX_LIFETIME_SECONDS = 10 * 365 * 86_400
"""Upper limit of a lifetime in a response, so that its end fits into a timestamp."""
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """The operator's OAuth client and the URLs of its endpoints."""

    client_id: str
    secrets: tuple[str, ...] = field(repr=False)
    auth_uri: str = GOOGLE_AUTH_URI
    token_uri: str = GOOGLE_TOKEN_URI
    api_endpoint: str | None = None
    """Root URL of the Gmail API, or None for Google's."""


@dataclass(frozen=True, kw_only=True)
class TokenResponse:
    """One response of the token endpoint; ``status`` is None if there was no response."""

    status: int | None
    body: Any = field(default=None, repr=False)
    """The parsed JSON, or None if the body is not JSON."""
    retry_after: float | None = None
    """Seconds that Google requests to wait."""
    detail: str = ""
    """The transport error, without addresses or secrets."""

    def get_text(self, key: str) -> str:
        """Return a string field of the body, or the empty string."""
        value = self.body.get(key) if isinstance(self.body, Mapping) else None
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, kw_only=True)
class TokenResult:
    """The classified result of a token request, with the tokens of a successful one."""

    reason: Reason
    retry_after: float | None = None
    access_token: str = field(default="", repr=False)
    expires_in: int = 0
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_in: int | None = None
    scopes: tuple[str, ...] = ()
    detail: str = ""
    """Status and error code of a response that is not in the table, for the report."""
    request_sent: bool = True
    """Whether a request was sent."""


_ERROR_CODE = re.compile(r"^[a-z_]{1,40}$")
_TRANSIENT_ERRORS = {"internal_failure", "server_error", "temporarily_unavailable"}
_THROTTLED_ERRORS = {"rate_limit_exceeded", "slow_down", "quota_exceeded"}
_APP_ERRORS = {
    "invalid_client": "invalid_client",
    "deleted_client": "deleted_client",
    "disabled_client": "disabled_client",
    "unauthorized_client": "unauthorized_client",
    "invalid_scope": "bad_request",
    "invalid_request": "bad_request",
    "unsupported_grant_type": "bad_request",
}


def build_refresh_form(client: OAuthClient, secret: str, refresh_token: str) -> str:
    """Return the body of a refresh request. It contains no scopes: after a partial consent they would be an error."""
    return urlencode(
        {
            "grant_type": "refresh_token",
            "client_id": client.client_id,
            "client_secret": secret,
            "refresh_token": refresh_token,
        }
    )


def build_code_form(client: OAuthClient, secret: str, *, code: str, verifier: str, redirect_uri: str) -> str:
    """Return the body of the request that exchanges an authorization code (with PKCE)."""
    return urlencode(
        {
            "grant_type": "authorization_code",
            "client_id": client.client_id,
            "client_secret": secret,
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
    )


def parse_response(status: int, headers: Mapping[str, str], content: bytes) -> TokenResponse:
    """Convert an HTTP response; its body may be anything."""
    return TokenResponse(
        status=status, body=parse_json(content), retry_after=parse_retry_after(headers.get("Retry-After"))
    )


def classify_response(response: TokenResponse) -> TokenResult:
    """Return the result that a response stands for."""
    reason = REASONS[_find_reason_code(response)]
    if reason.code != "ok":
        return TokenResult(
            reason=reason, retry_after=response.retry_after, detail=_describe_unknown_response(response, reason)
        )
    refresh_expires_in = response.body.get("refresh_token_expires_in")
    return TokenResult(
        reason=reason,
        access_token=response.get_text("access_token"),
        expires_in=_clamp_seconds(response.body.get("expires_in"), default=3599),
        refresh_token=response.get_text("refresh_token") or None,
        refresh_expires_in=_clamp_seconds(refresh_expires_in, default=0) or None,
        scopes=tuple(response.get_text("scope").split()),
    )


def _describe_unknown_response(response: TokenResponse, reason: Reason) -> str:
    """Describe a response that is not in the table. An error code is letters only, so it cannot contain a secret."""
    if reason.code not in ("unknown_answer", "not_json"):
        return response.detail
    error = response.get_text("error")
    return f"HTTP {response.status}" + (f" {error}" if _ERROR_CODE.match(error) else "")


def _clamp_seconds(value: Any, *, default: int) -> int:
    try:
        return min(max(0, int(value)), _MAX_LIFETIME_SECONDS)
    except (TypeError, ValueError, OverflowError):
        return default


def _find_reason_code(response: TokenResponse) -> str:
    status, error = response.status, response.get_text("error")
    if status is None:
        return "unreachable"
    if error in _TRANSIENT_ERRORS:
        return "server_error"
    if status == 429 or error in _THROTTLED_ERRORS or (status == 403 and response.body is None):
        return "throttled"
    if status >= 500 or status in (408, 425):
        return "server_error"
    if status == 200:
        if not isinstance(response.body, Mapping):
            return "not_json"
        return "ok" if response.get_text("access_token") else "no_access_token"
    if not isinstance(response.body, Mapping):
        return "not_json"
    if error == "invalid_grant":
        return _classify_invalid_grant(response)
    if error in ("admin_policy_enforced", "access_denied"):
        return "blocked_by_admin"
    return _APP_ERRORS.get(error, "unknown_answer")


def _classify_invalid_grant(response: TokenResponse) -> str:
    if response.get_text("error_subtype") in ("invalid_rapt", "rapt_required"):
        return "session_control"
    description = response.get_text("error_description").lower()
    if "account has been deleted" in description:
        return "account_deleted"
    if "expired or revoked" in description:
        return "expired_or_revoked"
    return "grant_refused"


def post_token_request(http: httpx.Client, token_uri: str, form: str | bytes, *, tries: int) -> TokenResponse:
    """Send a token request, repeat it after a network or server error, and return the last response."""
    response = TokenResponse(status=None)
    for _ in range(tries):
        try:
            http_response = http.post(token_uri, content=form, headers=FORM_HEADERS)
        except httpx.HTTPError as error:
            response = TokenResponse(status=None, detail=type(error).__name__)
            continue
        response = parse_response(http_response.status_code, http_response.headers, http_response.content)
        if http_response.status_code < 500:
            break
    return response


class TokenEndpoint:
    """Send token requests one at a time, with short timeouts and at most two tries.

    A refresh can safely be sent twice, since Google does not rotate refresh tokens. An authorization code is valid
    once, so its exchange is sent once.
    """

    def __init__(self, client: OAuthClient, *, connect_timeout: float = 5, read_timeout: float = 20) -> None:
        self.client = client
        self.connect_timeout, self.read_timeout = connect_timeout, read_timeout

    def refresh_access_token(self, refresh_token: str) -> TokenResult:
        """Request a new access token, trying the secrets of the OAuth client in order."""
        return self._try_secrets(
            [build_refresh_form(self.client, secret, refresh_token) for secret in self.client.secrets], 2
        )

    def exchange_code(self, *, code: str, verifier: str, redirect_uri: str) -> TokenResult:
        """Exchange an authorization code for tokens."""
        forms = [
            build_code_form(self.client, secret, code=code, verifier=verifier, redirect_uri=redirect_uri)
            for secret in self.client.secrets
        ]
        return self._try_secrets(forms, 1)

    def _try_secrets(self, forms: Sequence[str], tries: int) -> TokenResult:
        with open_client(
            self.client.token_uri, connect_timeout=self.connect_timeout, read_timeout=self.read_timeout
        ) as http:
            for form in forms:
                result = classify_response(post_token_request(http, self.client.token_uri, form, tries=tries))
                if result.reason.code != "invalid_client":
                    break
        return result
