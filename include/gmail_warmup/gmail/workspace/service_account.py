"""Request access tokens through a service account with domain-wide delegation (Google Workspace)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

from gmail_warmup.core.network.client import open_client
from gmail_warmup.gmail.workspace.impersonation import ImpersonatedAccount, ImpersonationSigner
from gmail_warmup.gmail.workspace.signing import KeySigner, Signer
from gmail_warmup.oauth.answers import Party
from gmail_warmup.oauth.token_endpoint import SCOPE, TokenResult, classify_response, post_token_request


class ServiceAccount:
    """A service account that impersonates mailboxes; an Airflow Connection has its key or names it. Thread-safe.

    The Connection is read once, on the first token request.

    Args:
        conn_id: the id of an Airflow Connection of the type Google Cloud.
        load_credentials: returns the google-auth credentials of a Connection, or an ``ImpersonatedAccount``.
        party: what the tokens are for.
        tries: maximum number of attempts if there is no response or a server error.
    """

    def __init__(
        self,
        conn_id: str,
        load_credentials: Callable[[str], Any],
        *,
        scopes: Sequence[str] = (SCOPE,),
        party: Party = Party.SERVICE_ACCOUNT,
        connect_timeout: float = 5,
        read_timeout: float = 20,
        tries: int = 2,
    ) -> None:
        self.conn_id, self._load_credentials = conn_id, load_credentials
        self._scopes, self._party, self._tries = tuple(scopes), party, tries
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._lock = threading.Lock()
        self._signer: Signer | None = None
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
            ConfigurationError: the Connection is missing or contains no usable service account.
        """
        signed = self._get_signer().sign(address, self._scopes)
        if isinstance(signed, TokenResult):
            return signed
        http = self._get_client(signed.token_uri)
        response = post_token_request(http, signed.token_uri, signed.form, tries=self._tries)
        return classify_response(response, self._party)

    def close(self) -> None:
        """Close the connections to Google."""
        with self._lock:
            for opened in (self._http, self._signer):
                if opened:
                    opened.close()
            self._signer = self._http = None

    def _get_signer(self) -> Signer:
        with self._lock:
            if self._signer is None:
                self._signer = self._make_signer(self._load_credentials(self.conn_id))
            return self._signer

    def _make_signer(self, account: Any) -> Signer:
        if not isinstance(account, ImpersonatedAccount):
            return KeySigner(account, conn_id=self.conn_id)
        return ImpersonationSigner(
            account, connect_timeout=self._connect_timeout, read_timeout=self._read_timeout, tries=self._tries
        )

    def _get_client(self, token_uri: str) -> httpx.Client:
        with self._lock:
            if self._http is None:
                self._http = open_client(
                    token_uri, connect_timeout=self._connect_timeout, read_timeout=self._read_timeout
                )
            return self._http
