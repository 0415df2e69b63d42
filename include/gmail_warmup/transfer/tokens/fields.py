"""The fields of one grant, by the names that the client libraries and tools give them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gmail_warmup.core.characters import MAX_TOKEN_LENGTH, normalize_credential
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.addresses import is_same_mailbox, normalize_address
from gmail_warmup.oauth.grant_import import ImportedGrant
from gmail_warmup.transfer.times import parse_time

NAMES: Mapping[str, tuple[str, ...]] = {
    "refresh_token": ("refresh_token", "refreshToken"),
    "access_token": ("token", "access_token", "accessToken"),
    "expiry": (
        "expiry", "token_expiry", "expiry_date", "expiryDate", "expires_at", "expiresAt",
        "expirationTimeMilliseconds", "expirationTimeMillis", "expiration_time_millis",
    ),
    "issued": ("created", "IssuedUtc", "Issued", "issued_at"),
    "expires_in": ("expires_in", "expiresIn"),
    "client_id": ("client_id", "clientId"),
    "scopes": ("granted_scopes", "grantedScopes", "scope", "scopes"),
    "account": ("account", "email", "user", "user_email", "userEmail", "username", "userId"),
    "id_token": ("id_token", "idToken", "id_token_jwt", "decoded_id_token"),
    "refresh_expires_at": ("refresh_expires_at",),
    "granted_at": ("granted_at",),
}  # fmt: skip
"""The names of each field, the most exact first: scopes that Google granted are before those that were requested."""

RESPONSE = "token_response"
"""Where oauth2client keeps the response of the token endpoint, with the granted scopes."""

_MAX_SCOPES, _MAX_SCOPE_LENGTH = 200, 500


def has_fields(values: Mapping[str, Any]) -> bool:
    """Return whether an object has a field of a grant: a token, or the client and the scopes of a broken one."""
    names = (*NAMES["refresh_token"], *NAMES["access_token"], *NAMES["client_id"], RESPONSE)
    return any(name in values for name in names)


def read_grant(values: Mapping[str, Any]) -> ImportedGrant:
    """Return the grant in an object.

    Raises:
        InvalidInputError: naming the field and the rule; the text contains no part of a token.
    """
    refresh_token = _get_credential(values, "refresh_token")
    if not refresh_token:
        raise InvalidInputError("the token contains no refresh_token; sign in again instead of importing it.")
    return ImportedGrant(
        refresh_token=refresh_token,
        access_token=_get_credential(values, "access_token"),
        expires_at=_get_expiry(values),
        client_id=_get_credential(values, "client_id"),
        scopes=tuple(_iter_scopes(values)),
        refresh_expires_at=_get_time(values, "refresh_expires_at"),
        granted_at=_get_time(values, "granted_at"),
    )


def find_account(values: Mapping[str, Any]) -> str | None:
    """Return the address that an object itself names, or None.

    The payload of an ID token is read without a check of its signature: it is data like the rest of the file.

    Raises:
        InvalidInputError: if the object names two mailboxes.
    """
    found = list(dict.fromkeys(_iter_accounts(values)))
    other = next((address for address in found[1:] if not is_same_mailbox(address, found[0])), None)
    if other:
        raise InvalidInputError(f"names two mailboxes, {found[0]} and {other}; sign in again with the right one.")
    return found[0] if found else None


def _iter_values(values: Mapping[str, Any], field: str) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a field that are not empty, those of the token response first for scopes."""
    response = values.get(RESPONSE)
    places = [values, response] if isinstance(response, Mapping) else [values]
    if field == "scopes":
        places.reverse()
    for place in places:
        yield from ((name, place[name]) for name in NAMES[field] if place.get(name) not in (None, ""))


def _get_credential(values: Mapping[str, Any], field: str) -> str | None:
    for name, value in _iter_values(values, field):
        if not isinstance(value, str):
            raise InvalidInputError(f"the {name} is not a text.")
        if text := _normalize(value, name, MAX_TOKEN_LENGTH):
            return text
    return None


def _get_time(values: Mapping[str, Any], field: str) -> datetime | None:
    name, value = next(_iter_values(values, field), (field, None))
    return parse_time(value, name=name)


def _get_expiry(values: Mapping[str, Any]) -> datetime | None:
    """Return the end of the access token, which PHP and .NET write as its start and its lifetime."""
    issued = _get_time(values, "issued")
    _, lifetime = next(_iter_values(values, "expires_in"), ("", None))
    expiry = _get_time(values, "expiry")
    if expiry or issued is None or lifetime is None or isinstance(lifetime, bool):
        return expiry
    try:
        return parse_time((issued + timedelta(seconds=float(lifetime))).isoformat(), name="expires_in")
    except (TypeError, ValueError, OverflowError):
        return None


def _iter_scopes(values: Mapping[str, Any]) -> Iterator[str]:
    name, value = next((pair for pair in _iter_values(values, "scopes") if pair[1]), ("scopes", ()))
    scopes = re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else value
    if not isinstance(scopes, list | tuple) or not all(isinstance(scope, str) for scope in scopes):
        raise InvalidInputError(f"the {name} must be a text or a list of texts.")
    if len(scopes) > _MAX_SCOPES:
        raise InvalidInputError(f"the token has more than {_MAX_SCOPES} scopes.")
    yield from (found for scope in scopes if (found := _normalize(scope, name, _MAX_SCOPE_LENGTH)))


def _normalize(value: str, name: str, max_length: int) -> str:
    try:
        return normalize_credential(value, max_length=max_length)
    except ValueError as error:
        raise InvalidInputError(f"the {name} {error}.") from None


def _iter_accounts(values: Mapping[str, Any]) -> Iterator[str]:
    for _, value in _iter_values(values, "account"):
        if isinstance(value, str) and "@" in value:
            yield normalize_address(value)
    for _, value in _iter_values(values, "id_token"):
        email = _decode_claims(value).get("email")
        if isinstance(email, str) and "@" in email:
            yield normalize_address(email)


def _decode_claims(id_token: Any) -> Mapping[str, Any]:
    """Return the claims of an ID token, which is a JWT or already decoded."""
    if isinstance(id_token, str) and id_token.count(".") == 2:
        payload = id_token.split(".")[1]
        try:
            id_token = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (ValueError, RecursionError):
            return {}
    return id_token if isinstance(id_token, Mapping) else {}
