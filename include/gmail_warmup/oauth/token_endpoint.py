"""The token request: how it is built, and what its answer means.

Nothing here reads or writes the database. ``classify`` is the whole error table; the order of its checks is the order
in which they must be made: transport, status, body, ``error``, subtype and description, default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from gmail_warmup.core import http_utils
from gmail_warmup.core.http_utils import parse_json, parse_retry_after
from gmail_warmup.oauth.reasons import REASONS, Reason

GOOGLE_AUTH_URI = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  an address, not a secret
GOOGLE_API = "https://gmail.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/gmail.modify"
"""The one scope: it covers sending, reading, labels and drafts, so there is no box to untick."""

SUFFICIENT_SCOPES = frozenset({SCOPE, "https://mail.google.com/"})
_MAX_LIFETIME_SECONDS = 10 * 365 * 86_400
"""Seconds; what is said to live longer does not live for ever, and fits into a timestamp."""
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """The operator's OAuth client and the addresses of its endpoints."""

    client_id: str
    secrets: tuple[str, ...] = field(repr=False)
    auth_uri: str = GOOGLE_AUTH_URI
    token_uri: str = GOOGLE_TOKEN_URI
    api_endpoint: str | None = None
    """Root of the Gmail API, or None for Google's own."""


@dataclass(frozen=True, kw_only=True)
class TokenResponse:
    """One answer of the token endpoint as it was seen on the wire; ``status`` None means that none came."""

    status: int | None
    body: Any = field(default=None, repr=False)
    """The parsed JSON, or None where the body was not JSON."""
    retry_after: float | None = None
    """Seconds that Google asks to wait."""
    detail: str = ""
    """What the transport said, without addresses or secrets."""

    def get_text(self, key: str) -> str:
        """Return a text field of the body, or the empty string."""
        value = self.body.get(key) if isinstance(self.body, Mapping) else None
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, kw_only=True)
class TokenResult:
    """What an answer means; with the tokens, where it brought some."""

    reason: Reason
    retry_after: float | None = None
    access_token: str = field(default="", repr=False)
    expires_in: int = 0
    refresh_token: str | None = field(default=None, repr=False)
    refresh_expires_in: int | None = None
    scopes: tuple[str, ...] = ()
    detail: str = ""
    """Status and error code of an answer that is not in the table, so that it can be reported."""
    request_sent: bool = True
    """Whether Google was asked at all."""


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
    """Return the body of a refresh. It names no scopes: after a partial consent they would be an error."""
    return urlencode(
        {
            "grant_type": "refresh_token",
            "client_id": client.client_id,
            "client_secret": secret,
            "refresh_token": refresh_token,
        }
    )


def build_code_form(client: OAuthClient, secret: str, *, code: str, verifier: str, redirect_uri: str) -> str:
    """Return the body of the exchange of an authorization code (with PKCE)."""
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
    """Turn an HTTP response into an answer, whatever its body is."""
    return TokenResponse(
        status=status, body=parse_json(content), retry_after=parse_retry_after(headers.get("Retry-After"))
    )


def classify_response(answer: TokenResponse) -> TokenResult:
    """Say what an answer means."""
    reason = REASONS[_find_reason_code(answer)]
    if reason.code != "ok":
        return TokenResult(
            reason=reason, retry_after=answer.retry_after, detail=_describe_unknown_response(answer, reason)
        )
    refresh_expires_in = answer.body.get("refresh_token_expires_in")
    return TokenResult(
        reason=reason,
        access_token=answer.get_text("access_token"),
        expires_in=_clamp_seconds(answer.body.get("expires_in"), default=3599),
        refresh_token=answer.get_text("refresh_token") or None,
        refresh_expires_in=_clamp_seconds(refresh_expires_in, default=0) or None,
        scopes=tuple(answer.get_text("scope").split()),
    )


def _describe_unknown_response(answer: TokenResponse, reason: Reason) -> str:
    """Describe an answer that the table does not know; an error code is letters, so that no secret can be in it."""
    if reason.code not in ("unknown_answer", "not_json"):
        return answer.detail
    error = answer.get_text("error")
    return f"HTTP {answer.status}" + (f" {error}" if _ERROR_CODE.match(error) else "")


def _clamp_seconds(value: Any, *, default: int) -> int:
    try:
        return min(max(0, int(value)), _MAX_LIFETIME_SECONDS)
    except (TypeError, ValueError, OverflowError):
        return default


def _find_reason_code(answer: TokenResponse) -> str:
    status, error = answer.status, answer.get_text("error")
    if status is None:
        return "unreachable"
    if error in _TRANSIENT_ERRORS:
        return "server_error"
    if status == 429 or error in _THROTTLED_ERRORS or (status == 403 and answer.body is None):
        return "throttled"
    if status >= 500 or status in (408, 425):
        return "server_error"
    if status == 200:
        if not isinstance(answer.body, Mapping):
            return "not_json"
        return "ok" if answer.get_text("access_token") else "no_access_token"
    if not isinstance(answer.body, Mapping):
        return "not_json"
    if error == "invalid_grant":
        return _classify_invalid_grant(answer)
    if error in ("admin_policy_enforced", "access_denied"):
        return "blocked_by_admin"
    return _APP_ERRORS.get(error, "unknown_answer")


def _classify_invalid_grant(answer: TokenResponse) -> str:
    if answer.get_text("error_subtype") in ("invalid_rapt", "rapt_required"):
        return "session_control"
    description = answer.get_text("error_description").lower()
    if "account has been deleted" in description:
        return "account_deleted"
    if "expired or revoked" in description:
        return "expired_or_revoked"
    return "grant_refused"


def post_token_request(http: httpx.Client, token_uri: str, form: str | bytes, *, tries: int) -> TokenResponse:
    """Send a token request, again where none or a server's error is the answer, and return the last answer."""
    answer = TokenResponse(status=None)
    for _ in range(tries):
        try:
            response = http.post(token_uri, content=form, headers=FORM_HEADERS)
        except httpx.HTTPError as error:
            answer = TokenResponse(status=None, detail=type(error).__name__)
            continue
        answer = parse_response(response.status_code, response.headers, response.content)
        if response.status_code < 500:
            break
    return answer


class TokenEndpoint:
    """Send token requests one at a time, with short timeouts and at most two tries.

    A refresh can safely be sent twice: Google does not rotate the token. An authorization code cannot, so its
    exchange is tried once.
    """

    def __init__(self, client: OAuthClient, *, connect_timeout: float = 5, read_timeout: float = 20) -> None:
        self.client = client
        self._timeout = httpx.Timeout(read_timeout, connect=connect_timeout)

    def refresh_access_token(self, refresh_token: str) -> TokenResult:
        """Ask for a new access token, trying the client's secrets in order."""
        return self._try_secrets(
            [build_refresh_form(self.client, secret, refresh_token) for secret in self.client.secrets], 2
        )

    def exchange_code(self, *, code: str, verifier: str, redirect_uri: str) -> TokenResult:
        """Exchange an authorization code for a grant."""
        forms = [
            build_code_form(self.client, secret, code=code, verifier=verifier, redirect_uri=redirect_uri)
            for secret in self.client.secrets
        ]
        return self._try_secrets(forms, 1)

    def _try_secrets(self, forms: Sequence[str], tries: int) -> TokenResult:
        with httpx.Client(verify=http_utils.get_ssl_context(), timeout=self._timeout, follow_redirects=False) as http:
            for form in forms:
                verdict = classify_response(post_token_request(http, self.client.token_uri, form, tries=tries))
                if verdict.reason.code != "invalid_client":
                    break
        return verdict
