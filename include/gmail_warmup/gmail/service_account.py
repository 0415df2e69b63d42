"""Request access tokens through a service account with domain-wide delegation (Google Workspace).

google-auth only signs the request. It is sent by this module, because google-auth hides the status and body of errors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.network.client import open_client
from gmail_warmup.oauth.answers import Party
from gmail_warmup.oauth.token_endpoint import SCOPE, TokenResult, classify_response, post_token_request


class ServiceAccount:
    """A service account that impersonates mailboxes; its key is in an Airflow Connection. Thread-safe.

    The Connection is read once, on the first token request.

    Args:
        conn_id: the id of an Airflow Connection of the type Google Cloud.
        load_credentials: returns the google-auth credentials of a Connection.
        tries: maximum number of attempts if there is no response or a server error.
    """

    def __init__(
        self,
        conn_id: str,
        load_credentials: Callable[[str], Any],
        *,
        scopes: Sequence[str] = (SCOPE,),
        connect_timeout: float = 5,
        read_timeout: float = 20,
        tries: int = 2,
    ) -> None:
        self.conn_id, self._load_credentials = conn_id, load_credentials
        self._scopes, self._tries = tuple(scopes), tries
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._lock = threading.Lock()
        self._account: Any = None
        self._http: httpx.Client | None = None

    def __enter__(self) -> Self:
        """Return this object."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections to Google."""
        self.close()

    @property
    def breaker_key(self) -> str:
        """Return the breaker's key for this service account, which is also its displayed name."""
        return f"service account of {self.conn_id}"

    def request_token(self, address: str) -> TokenResult:
        """Request an access token for a mailbox and return the classified response.

        Raises:
            ConfigurationError: the Connection is missing or contains no usable service account key.
        """
        account = self._get_account()
        token_uri, form = _build_signed_request(account, address, self._scopes, conn_id=self.conn_id)
        response = post_token_request(self._get_client(token_uri), token_uri, form, tries=self._tries)
        return classify_response(response, Party.SERVICE_ACCOUNT)

    def close(self) -> None:
        """Close the connections to Google."""
        with self._lock:
            if self._http:
                self._http.close()
            self._account = self._http = None

    def _get_account(self) -> Any:
        with self._lock:
            if self._account is None:
                self._account = self._load_credentials(self.conn_id)
            return self._account

    def _get_client(self, token_uri: str) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = open_client(
                    token_uri, connect_timeout=self._connect_timeout, read_timeout=self._read_timeout
                )
            return self._http


CONNECTION_REMEDY = (
    "Make it with the type Google Cloud and the service account's whole JSON key file in its field Keyfile JSON; see "
    "docs/delegation.md."
)


def unusable_error(conn_id: str, why: str) -> ConfigurationError:
    """Return the error for a Connection without a usable key."""
    return ConfigurationError(
        f"The Airflow Connection '{conn_id}' holds no key of a service account ({why}). {CONNECTION_REMEDY}"
    )


class _SignedRequest(Exception):
    """Carries the signed request out of google-auth. Its assertion is a secret: it is valid for an hour."""

    def __init__(self, token_uri: str, form: bytes) -> None:
        super().__init__("a signed token request")
        self.token_uri, self.form = token_uri, form


def _capture_request(url: str, *, body: bytes, **_: Any) -> NoReturn:
    """Act as google-auth's HTTP transport, but raise the signed request instead of sending it."""
    raise _SignedRequest(url, body)


def _build_signed_request(account: Any, address: str, scopes: Sequence[str], *, conn_id: str) -> tuple[str, bytes]:
    """Return the URL and the body of the signed token request for a mailbox."""
    from google.auth.exceptions import GoogleAuthError

    try:
        account.with_scopes(list(scopes)).with_subject(address).refresh(_capture_request)
    except _SignedRequest as request:
        return request.token_uri, request.form
    except GoogleAuthError as error:
        raise unusable_error(conn_id, type(error).__name__) from None
    raise AssertionError("google-auth sent no token request")
