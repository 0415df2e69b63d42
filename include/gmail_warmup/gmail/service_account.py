"""Mailboxes of a Workspace without grants: a service account with domain-wide delegation.

The service account is that of an Airflow Connection of the type Google Cloud, read by the Google provider's hook. That
hook costs about 0.3 s and 30 MB to import; only a process that really asks for a delegated mailbox pays for it.

google-auth signs the request and its own classes never see the answer: they hide its status and lose its body.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NoReturn, Self

import httpx

from gmail_warmup.core import http_utils
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.oauth.delegation_errors import classify_delegated_response
from gmail_warmup.oauth.token_endpoint import SCOPE, TokenResult, post_token_request


class ServiceAccount:
    """The service account of one Connection, acting for mailboxes; one object serves many threads.

    Nothing is read or imported before the first verdict, and the Connection is read once.

    Args:
        conn_id: an Airflow Connection of the type Google Cloud.
        tries: how often a request is sent at most, while no answer or a server's error comes back.
    """

    def __init__(
        self,
        conn_id: str,
        *,
        scopes: Sequence[str] = (SCOPE,),
        connect_timeout: float = 5,
        read_timeout: float = 20,
        tries: int = 2,
    ) -> None:
        self.conn_id = conn_id
        self._scopes, self._tries = tuple(scopes), tries
        self._timeout = httpx.Timeout(read_timeout, connect=connect_timeout)
        self._lock = threading.Lock()
        self._ready: tuple[Any, httpx.Client] | None = None

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
        """Return the name under which the breaker counts this service account's failures; it is shown to people."""
        return f"service account of {self.conn_id}"

    def request_token(self, address: str) -> TokenResult:
        """Ask Google for an access token of a mailbox, and return what it says.

        Raises:
            ConfigurationError: if the Connection is missing or holds no usable service account.
        """
        account, http = self._open_client()
        token_uri, form = _build_signed_request(account, address, self._scopes, conn_id=self.conn_id)
        return classify_delegated_response(post_token_request(http, token_uri, form, tries=self._tries))

    def close(self) -> None:
        """Close the connections to Google."""
        with self._lock:
            if self._ready:
                self._ready[1].close()
            self._ready = None

    def _open_client(self) -> tuple[Any, httpx.Client]:
        with self._lock:
            if self._ready is None:
                account = load_credentials(self.conn_id)
                http = httpx.Client(verify=http_utils.get_ssl_context(), timeout=self._timeout, follow_redirects=False)
                self._ready = account, http
            return self._ready


def load_credentials(conn_id: str) -> Any:
    """Return google-auth credentials of the service account of a Connection.

    Raises:
        ConfigurationError: if the Connection is missing or holds no usable service account. What is wrong with a key
            is not repeated: the texts of the libraries may quote it.
    """
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2.service_account import Credentials

    try:
        found, _ = GoogleBaseHook(gcp_conn_id=conn_id).get_credentials_and_project_id()
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' (the service account of delegated mailboxes) is missing. "
            f"{_CONNECTION_REMEDY}"
        ) from None
    except (AirflowException, GoogleAuthError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise _unusable_error(conn_id, type(error).__name__) from None
    if not isinstance(found, Credentials):
        raise _unusable_error(conn_id, f"it is {type(found).__module__}.{type(found).__name__}")
    return found


_CONNECTION_REMEDY = (
    "Make it with the type Google Cloud and the service account's whole JSON key file in its field Keyfile JSON; see "
    "docs/delegation.md."
)


def _unusable_error(conn_id: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The Airflow Connection '{conn_id}' holds no key of a service account ({why}). {_CONNECTION_REMEDY}"
    )


class _SignedRequest(Exception):
    """google-auth wants to send this; the assertion in it is as good as a password for an hour."""

    def __init__(self, token_uri: str, form: bytes) -> None:
        super().__init__("a signed token request")
        self.token_uri, self.form = token_uri, form


def _capture_request(url: str, *, body: bytes, **_: Any) -> NoReturn:
    """Stand where google-auth expects its HTTP transport, and take the signed request away instead of sending it."""
    raise _SignedRequest(url, body)


def _build_signed_request(account: Any, address: str, scopes: Sequence[str], *, conn_id: str) -> tuple[str, bytes]:
    """Return the address and the body of the token request with which the account acts for a mailbox."""
    from google.auth.exceptions import GoogleAuthError

    try:
        account.with_scopes(list(scopes)).with_subject(address).refresh(_capture_request)
    except _SignedRequest as request:
        return request.token_uri, request.form
    except GoogleAuthError as error:
        raise _unusable_error(conn_id, type(error).__name__) from None
    raise AssertionError("google-auth asked nobody for a token")
