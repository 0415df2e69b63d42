"""Validate the values of an OAuth client, from the environment and from a Connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gmail_warmup.core.characters import MAX_TOKEN_LENGTH, normalize_credential
from gmail_warmup.core.errors import ConfigurationError

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{5,199}")
_URL = re.compile(r"https?://[^/?#]+.*")
_REMEDY = "Copy it again from where it was issued."


@dataclass(frozen=True, kw_only=True)
class ClientVariables:
    """The OAuth client from the environment (``.env``)."""

    client_id: str
    secret: str = field(repr=False)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Entries of the Connection's extra. An empty one means Google's."""


def read_client_variables(environment: Mapping[str, str]) -> ClientVariables | None:
    """Read GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET and the optional endpoints; None if neither of the two is set.

    Raises:
        ConfigurationError: if one of the two is missing, or a variable is malformed.
    """
    client_id = environment.get("GOOGLE_CLIENT_ID", "").strip()
    secret = environment.get("GOOGLE_CLIENT_SECRET", "").strip()
    if not client_id and not secret:
        return None
    for name, value in (("GOOGLE_CLIENT_ID", client_id), ("GOOGLE_CLIENT_SECRET", secret)):
        if not value:
            raise ConfigurationError(
                f"{name} is empty although the other variable is set. Copy both from the Google Cloud console."
            )
    endpoints = {
        key: normalize_endpoint(environment[variable], name=variable) or ""
        for variable, key in (("GOOGLE_AUTH_URI", "auth_uri"), ("GOOGLE_TOKEN_URI", "token_uri"))
        if variable in environment
    }
    return ClientVariables(
        client_id=normalize_client_id(client_id, name="GOOGLE_CLIENT_ID"),
        secret=normalize_client_secret(secret, name="GOOGLE_CLIENT_SECRET"),
        endpoints=endpoints,
    )


def normalize_client_id(value: str, *, name: str) -> str:
    """Return a client id, trimmed.

    Raises:
        ConfigurationError: starting with ``name``, with the rule that it breaks.
    """
    client_id = normalize_client_secret(value, name=name)
    if not _CLIENT_ID.fullmatch(client_id):
        raise ConfigurationError(
            f"{name} is malformed: it may contain letters, digits, dots and dashes only, and usually ends in "
            f".apps.googleusercontent.com. {_REMEDY}"
        )
    return client_id


def normalize_client_secret(value: str, *, name: str) -> str:
    """Return a client secret, trimmed.

    Raises:
        ConfigurationError: starting with ``name``, with the rule that it breaks; never the secret.
    """
    try:
        secret = normalize_credential(value, max_length=MAX_TOKEN_LENGTH)
    except ValueError as error:
        raise ConfigurationError(f"{name} is malformed: it {error}. {_REMEDY}") from None
    if not secret:
        raise ConfigurationError(f"{name} is empty. {_REMEDY}")
    return secret


def normalize_endpoint(value: str, *, name: str) -> str | None:
    """Return the address of an endpoint of Google, trimmed; None if it is empty.

    Raises:
        ConfigurationError: starting with ``name``, if it is not an http(s) address.
    """
    try:
        address = normalize_credential(value, max_length=MAX_TOKEN_LENGTH)
    except ValueError as error:
        raise ConfigurationError(f"{name} is malformed: it {error}.") from None
    if address and not _URL.fullmatch(address):
        raise ConfigurationError(f"{name} must be an http(s) address (it is {address!r}).")
    return address or None
