"""Parse a grant in google-auth's ``authorized_user`` format, from an object or its JSON text."""

from __future__ import annotations

import json
from typing import Any

from gmail_warmup.core.characters import MAX_TOKEN_LENGTH, normalize_credential
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.oauth.grant_import import ImportedGrant
from gmail_warmup.transfer.times import parse_time

_MAX_SCOPES, _MAX_SCOPE_LENGTH = 200, 500


def parse_authorized_user(token: Any) -> ImportedGrant:
    """Parse an ``authorized_user`` object, or its JSON text from a database column.

    Raises:
        InvalidInputError: naming what is missing; the text contains no part of a token.
    """
    if isinstance(token, str):
        try:
            token = json.loads(token)
        except (ValueError, RecursionError):
            raise InvalidInputError("the token is not JSON; it must be google-auth's authorized_user object.") from None
    refresh_token = _get_credential(token, "refresh_token") if isinstance(token, dict) else None
    if not refresh_token:
        raise InvalidInputError("the token contains no refresh_token; sign in again instead of importing it.")
    return ImportedGrant(
        refresh_token=refresh_token,
        access_token=_get_credential(token, "token") or _get_credential(token, "access_token"),
        expires_at=parse_time(token.get("expiry"), name="expiry"),
        client_id=_get_credential(token, "client_id"),
        scopes=_get_scopes(token.get("scopes")),
        refresh_expires_at=parse_time(token.get("refresh_expires_at"), name="refresh_expires_at"),
        granted_at=parse_time(token.get("granted_at"), name="granted_at"),
    )


def _get_credential(token: dict[str, Any], key: str) -> str | None:
    value = token.get(key)
    return _normalize(value, key, MAX_TOKEN_LENGTH) or None if isinstance(value, str) else None


def _get_scopes(scopes: Any) -> tuple[str, ...]:
    listed = scopes.split() if isinstance(scopes, str) else scopes if isinstance(scopes, list) else ()
    if len(listed) > _MAX_SCOPES:
        raise InvalidInputError(f"the token has more than {_MAX_SCOPES} scopes.")
    normalized = (_normalize(str(scope), "scopes", _MAX_SCOPE_LENGTH) for scope in listed)
    return tuple(scope for scope in normalized if scope)


def _normalize(value: str, key: str, max_length: int) -> str:
    try:
        return normalize_credential(value, max_length=max_length)
    except ValueError as error:
        raise InvalidInputError(f"the {key} {error}.") from None
