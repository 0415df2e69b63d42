"""Sign for a service account without its key: the credentials of this machine let Google sign (``signJwt``).

google-auth composes the requests. They are sent by this module, so that refusals of the IAM Credentials API are
classified by the table in ``oauth.answers``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from gmail_warmup.core.http_utils import parse_json
from gmail_warmup.core.network.client import open_client
from gmail_warmup.core.network.transport_errors import classify_transport_error
from gmail_warmup.gmail.workspace.signing import SignedRequest
from gmail_warmup.oauth.answers import SOURCE_REFUSED, Answer, Body, Party, find_reason, read_api_answer
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import GOOGLE_TOKEN_URI, TokenResult

IAM_ENDPOINT = "https://iamcredentials.googleapis.com"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"


@dataclass(frozen=True, kw_only=True)
class ImpersonatedAccount:
    """A service account for which this machine signs.

    Attributes:
        source: google-auth credentials of this machine.
        email: address of the service account.
        delegates: service accounts in between, each of which may sign for the next one.
    """

    source: Any = field(repr=False)
    email: str
    delegates: tuple[str, ...] = ()
    token_uri: str = GOOGLE_TOKEN_URI
    iam_endpoint: str = IAM_ENDPOINT


class _SigningRefusedError(Exception):
    """Carries the classified answer of the IAM Credentials API out of google-auth."""

    def __init__(self, result: TokenResult) -> None:
        super().__init__(result.reason.code)
        self.result = result


@dataclass(frozen=True, kw_only=True)
class _Response:
    """An HTTP response as google-auth expects it."""

    status: int
    data: bytes = field(repr=False)
    headers: Mapping[str, str]


def _to_response(response: httpx.Response) -> _Response:
    return _Response(status=response.status_code, data=response.content, headers=response.headers)


class _SourceRequest:
    """google-auth's HTTP transport for the token of this machine; it keeps the last response."""

    def __init__(self, *, connect_timeout: float, read_timeout: float) -> None:
        self._timeouts: dict[str, Any] = {"connect_timeout": connect_timeout, "read_timeout": read_timeout}
        self._response: _Response | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Response:
        """Send a request; its address is known only here, so each has a client of its own."""
        from google.auth.exceptions import TransportError

        self._response = None
        try:
            with open_client(url, **self._timeouts) as http:
                response = http.request(method, url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise TransportError(error) from error
        self._response = _to_response(response)
        return self._response

    def read_answer(self, error: Exception) -> Answer:
        """Reduce the last response, after which google-auth raised an error; it may not be from Google."""
        response = self._response
        if response is None:
            return Answer(party=Party.SIGNING, status=None, transport=classify_transport_error(error))
        body = parse_json(response.data)
        is_metadata_server = response.headers.get("Metadata-Flavor") == "Google"
        is_foreign = response.status == httpx.codes.OK or not (
            is_metadata_server or (isinstance(body, Mapping) and "error" in body)
        )
        return Answer(
            party=Party.SIGNING,
            status=response.status,
            body=Body.FOREIGN if is_foreign else Body.ERROR,
            errors=(SOURCE_REFUSED,),
        )


class ImpersonationSigner:
    """Signs through the IAM Credentials API. Thread-safe; the token of this machine is requested once an hour."""

    def __init__(
        self, account: ImpersonatedAccount, *, connect_timeout: float, read_timeout: float, tries: int
    ) -> None:
        self._account, self._tries = account, tries
        self._timeouts: dict[str, Any] = {"connect_timeout": connect_timeout, "read_timeout": read_timeout}
        self._lock = threading.Lock()
        self._http = open_client(account.iam_endpoint, **self._timeouts)

    def sign(self, address: str, scopes: Sequence[str]) -> SignedRequest | TokenResult:
        """Return the signed request for a user, or why it could not be signed."""
        from google.auth.exceptions import GoogleAuthError
        from google.auth.impersonated_credentials import Credentials

        source = self._get_source()
        if isinstance(source, TokenResult):
            return source
        account = self._account
        credentials = Credentials(
            source_credentials=source,
            target_principal=account.email,
            target_scopes=list(scopes),
            delegates=list(account.delegates),
            subject=address,
        )
        try:
            credentials.refresh(self._send)
        except SignedRequest as request:
            return SignedRequest(account.token_uri, request.form)
        except _SigningRefusedError as refused:
            return refused.result
        except GoogleAuthError as error:  # an answer without a signed JWT
            return TokenResult(reason=REASONS["unusable_answer"], detail=type(error).__name__)
        raise AssertionError("google-auth sent no token request")

    def close(self) -> None:
        """Close the connections to Google."""
        self._http.close()

    def _get_source(self) -> Any:
        """Return credentials with the valid access token of this machine, or a ``TokenResult``."""
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2.credentials import Credentials

        source, request = self._account.source, _SourceRequest(**self._timeouts)
        with self._lock:
            try:
                if not source.valid:
                    source.refresh(request)
            except (GoogleAuthError, ValueError, KeyError, TypeError, AttributeError) as error:
                return TokenResult(reason=find_reason(request.read_answer(error)), detail=type(error).__name__)
            # A plain token: impersonated credentials would copy credentials with scopes, without their token.
            return Credentials(source.token, quota_project_id=getattr(source, "quota_project_id", None))

    def _send(self, url: str, *, method: str, headers: dict[str, str], body: bytes, **_: Any) -> _Response:
        """Act as google-auth's HTTP transport: send the request to sign, and raise the signed request."""
        if url == GOOGLE_TOKEN_URI:
            raise SignedRequest(url, body)
        address = url.replace(IAM_ENDPOINT, self._account.iam_endpoint, 1)
        result = TokenResult(reason=REASONS["unreachable"])
        for _try in range(self._tries):
            try:
                response = self._http.request(method, address, headers=headers, content=body)
            except httpx.HTTPError as error:
                code, detail = classify_transport_error(error), type(error).__name__
                result = TokenResult(reason=REASONS[code], detail=detail)
                continue
            if response.status_code == httpx.codes.OK:
                return _to_response(response)
            result = _classify(response)
            if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                break
        raise _SigningRefusedError(result)


def _classify(response: httpx.Response) -> TokenResult:
    answer = read_api_answer(response.status_code, response.headers, response.content, party=Party.SIGNING)
    return TokenResult(
        reason=find_reason(answer), retry_after=answer.retry_after, detail=f"signJwt: HTTP {response.status_code}"
    )
