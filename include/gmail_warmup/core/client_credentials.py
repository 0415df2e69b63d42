"""Validate the values of an OAuth client, from the environment and from a Connection."""

from __future__ import annotations

import re

from gmail_warmup.core.characters import MAX_TOKEN_LENGTH, normalize_credential
from gmail_warmup.core.errors import ConfigurationError

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{5,199}")
_URL = re.compile(r"https?://[^/?#]+.*")
_REMEDY = "Copy it again from where it was issued."


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
