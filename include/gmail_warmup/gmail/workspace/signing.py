"""Signed token requests of a service account, built by google-auth and sent by this package.

google-auth would hide the status and body of errors, so its HTTP transport is replaced: it raises the signed request
instead of sending it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.oauth.token_endpoint import TokenResult

CONNECTION_REMEDY = (
    "Make it with the type Google Cloud, and with the service account's whole JSON key file in its field Keyfile JSON, "
    "or without a key its address in the field Impersonation Chain; see docs/delegation.md."
)


def unusable_error(conn_id: str, why: str) -> ConfigurationError:
    """Return the error for a Connection without a usable service account."""
    return ConfigurationError(
        f"The Airflow Connection '{conn_id}' holds no usable service account ({why}). {CONNECTION_REMEDY}"
    )


class SignedRequest(Exception):
    """A signed token request. Its assertion is a secret: it is valid for an hour."""

    def __init__(self, token_uri: str, form: bytes) -> None:
        super().__init__("a signed token request")
        self.token_uri, self.form = token_uri, form


class Signer(Protocol):
    """Signs the token requests of a service account. Thread-safe."""

    def sign(self, address: str, scopes: Sequence[str]) -> SignedRequest | TokenResult:
        """Return the signed request for a user, or why it could not be signed."""
        ...

    def close(self) -> None:
        """Close the connections to Google."""
        ...


class KeySigner:
    """Signs with the key of the service account.

    Args:
        credentials: google-auth credentials with the key.
        conn_id: the Airflow Connection that they are from.
    """

    def __init__(self, credentials: Any, *, conn_id: str) -> None:
        self._credentials, self._conn_id = credentials, conn_id

    def sign(self, address: str, scopes: Sequence[str]) -> SignedRequest:
        """Return the signed request for a user.

        Raises:
            ConfigurationError: the key cannot be used.
        """
        from google.auth.exceptions import GoogleAuthError

        try:
            self._credentials.with_scopes(list(scopes)).with_subject(address).refresh(_capture_request)
        except SignedRequest as request:
            return request
        except GoogleAuthError as error:
            raise unusable_error(self._conn_id, type(error).__name__) from None
        raise AssertionError("google-auth sent no token request")

    def close(self) -> None:
        """Do nothing: signing needs no connection."""


def _capture_request(url: str, *, body: bytes, **_: Any) -> NoReturn:
    """Act as google-auth's HTTP transport, but raise the signed request instead of sending it."""
    raise SignedRequest(url, body)
