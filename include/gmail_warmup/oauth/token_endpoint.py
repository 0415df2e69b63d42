"""Send token requests and classify their responses by the table in ``oauth.answers``.

This module does not access the database.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from gmail_warmup.core.http_utils import parse_json, parse_retry_after
from gmail_warmup.core.network.client import open_client
from gmail_warmup.core.network.transport_errors import classify_transport_error
from gmail_warmup.core.token_values import read_token_values
from gmail_warmup.oauth.answers import Answer, Body, Party, find_reason, is_json_type
from gmail_warmup.oauth.reasons import Reason

GOOGLE_AUTH_URI = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105  an address, not a secret
GOOGLE_API = "https://gmail.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/gmail.modify"
"""The only scope. It covers sending, reading, labels and drafts, so there is no optional permission to deselect."""

SUFFICIENT_SCOPES = frozenset({SCOPE, "https://mail.google.com/"})
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
    transport: str = "unreachable"
    """Reason code of the transport error, if there was no response."""
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
_NOT_IN_TABLE = ("unknown_answer", "not_json", "unusable_answer")


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
    body = parse_json(content) if is_json_type(headers.get("Content-Type")) else None
    return TokenResponse(status=status, body=body, retry_after=parse_retry_after(headers.get("Retry-After")))


def classify_response(response: TokenResponse, party: Party = Party.REFRESH) -> TokenResult:
    """Return the result that a response stands for.

    Args:
        party: the request that it answers.
    """
    reason = find_reason(_to_answer(response, party))
    if reason.code != "ok":
        detail = _describe_unknown_response(response) if reason.code in _NOT_IN_TABLE else response.detail
        return TokenResult(reason=reason, retry_after=response.retry_after, detail=detail)
    values = read_token_values(response.body)
    return TokenResult(
        reason=reason,
        access_token=values.access_token,
        expires_in=values.expires_in,
        refresh_token=values.refresh_token,
        refresh_expires_in=values.refresh_expires_in,
        scopes=values.scopes,
    )


def _to_answer(response: TokenResponse, party: Party) -> Answer:
    if response.status is None:
        return Answer(party=party, status=None, transport=response.transport)
    return Answer(
        party=party,
        status=response.status,
        body=_classify_body(response, party),
        errors=(response.get_text("error"),),
        subtype=response.get_text("error_subtype"),
        text=response.get_text("error_description"),
        retry_after=response.retry_after,
    )


def _classify_body(response: TokenResponse, party: Party) -> Body:
    if not isinstance(response.body, Mapping):
        return Body.FOREIGN
    if response.status != 200:
        return Body.ERROR
    if not response.body.get("access_token"):
        return Body.NO_ACCESS_TOKEN
    try:
        scopes = read_token_values(response.body).scopes
    except ValueError:
        return Body.UNUSABLE
    if party is Party.DIRECTORY_TOKEN:
        return Body.TOKENS
    # Google names the scopes of a consent.
    is_lacking = lacks_gmail_scope(scopes) or (not scopes and party is Party.CODE_EXCHANGE)
    return Body.LACKS_SCOPE if is_lacking else Body.TOKENS


def lacks_gmail_scope(scopes: Collection[str]) -> bool:
    """Return whether the scopes of a grant do not suffice.

    Without any, the grant has those that were requested (RFC 6749, 5.1); the next refresh shows them.
    """
    return bool(scopes) and SUFFICIENT_SCOPES.isdisjoint(scopes)


def _describe_unknown_response(response: TokenResponse) -> str:
    """Describe a response that is not in the table. An error code is letters only, so it cannot contain a secret."""
    error = response.get_text("error")
    return f"HTTP {response.status}" + (f" {error}" if _ERROR_CODE.match(error) else "")


def post_token_request(http: httpx.Client, token_uri: str, form: str | bytes, *, tries: int) -> TokenResponse:
    """Send a token request, repeat it after a network or server error, and return the last response."""
    response = TokenResponse(status=None)
    for _ in range(tries):
        try:
            http_response = http.post(token_uri, content=form, headers=FORM_HEADERS)
        except httpx.HTTPError as error:
            code, detail = classify_transport_error(error), type(error).__name__
            response = TokenResponse(status=None, transport=code, detail=detail)
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
            [build_refresh_form(self.client, secret, refresh_token) for secret in self.client.secrets],
            Party.REFRESH,
            tries=2,
        )

    def exchange_code(self, *, code: str, verifier: str, redirect_uri: str) -> TokenResult:
        """Exchange an authorization code for tokens."""
        forms = [
            build_code_form(self.client, secret, code=code, verifier=verifier, redirect_uri=redirect_uri)
            for secret in self.client.secrets
        ]
        return self._try_secrets(forms, Party.CODE_EXCHANGE, tries=1)

    def _try_secrets(self, forms: Sequence[str], party: Party, *, tries: int) -> TokenResult:
        with open_client(
            self.client.token_uri, connect_timeout=self.connect_timeout, read_timeout=self.read_timeout
        ) as http:
            for form in forms:
                response = post_token_request(http, self.client.token_uri, form, tries=tries)
                result = classify_response(response, party)
                if result.reason.code != "invalid_client":
                    break
        return result
