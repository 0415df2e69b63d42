"""Parse a grant in google-auth's ``authorized_user`` format, from an object or its JSON text."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gmail_warmup.core.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class ImportedGrant:
    """A grant to import; an access token without an expiry is not imported.

    The expiry of the refresh token and the time of the consent are only in our backups, not in google-auth's format.
    """

    refresh_token: str = field(repr=False)
    access_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    client_id: str | None = None
    scopes: tuple[str, ...] = ()
    refresh_expires_at: datetime | None = None
    granted_at: datetime | None = None


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
    if not isinstance(token, dict) or not isinstance(token.get("refresh_token"), str) or not token["refresh_token"]:
        raise InvalidInputError("the token contains no refresh_token; sign in again instead of importing it.")
    scopes = token.get("scopes")
    listed = scopes.split() if isinstance(scopes, str) else scopes if isinstance(scopes, list) else ()
    return ImportedGrant(
        refresh_token=token["refresh_token"],
        access_token=_get_text(token, "token") or _get_text(token, "access_token"),
        expires_at=_parse_time(token, "expiry"),
        client_id=_get_text(token, "client_id"),
        scopes=tuple(map(str, listed)),
        refresh_expires_at=_parse_time(token, "refresh_expires_at"),
        granted_at=_parse_time(token, "granted_at"),
    )


def _get_text(token: dict[str, Any], key: str) -> str | None:
    value = token.get(key)
    return value if isinstance(value, str) and value else None


def _parse_time(token: dict[str, Any], key: str) -> datetime | None:
    """Parse a time; google-auth's expiry is in UTC, with or without an offset."""
    value = token.get(key)
    if value in (None, ""):
        return None
    try:
        when = datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidInputError(f"the {key} '{value}' is not an ISO 8601 time.") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
