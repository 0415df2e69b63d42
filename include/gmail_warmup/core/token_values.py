"""Validate the values of a response with tokens: each has to fit into a header, and into the database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_ACCESS_SECONDS = 7 * 86_400
"""Upper limit of the lifetime of an access token; Google's last an hour, at most twelve."""
MAX_REFRESH_SECONDS = 10 * 365 * 86_400
"""Upper limit of the lifetime of a grant, so that its end fits into a timestamp."""
_DEFAULT_ACCESS_SECONDS = 3599

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
"""RFC 6749, A.12 and A.17, without the space: a token is sent in a header."""
_SCOPES = re.compile(r"[\x21\x23-\x5b\x5d-\x7e ]{0,8192}")
"""RFC 6749, 3.3."""


@dataclass(frozen=True, kw_only=True)
class TokenValues:
    """The values of a response with tokens."""

    access_token: str = field(repr=False)
    expires_in: int
    refresh_token: str | None = field(repr=False)
    refresh_expires_in: int | None
    scopes: tuple[str, ...]


def read_token_values(body: Mapping[str, Any]) -> TokenValues:
    """Return the values of a response that contains an access token.

    Raises:
        ValueError: a value contains characters that are not allowed, or a lifetime is absurd.
    """
    refresh_token, lifetime = body.get("refresh_token"), body.get("refresh_token_expires_in")
    return TokenValues(
        access_token=_require(_TOKEN, body["access_token"]),
        expires_in=_parse_seconds(body.get("expires_in"), MAX_ACCESS_SECONDS, _DEFAULT_ACCESS_SECONDS),
        refresh_token=_require(_TOKEN, refresh_token) if refresh_token else None,
        refresh_expires_in=_parse_seconds(lifetime, MAX_REFRESH_SECONDS, 0) or None,
        scopes=tuple(_require(_SCOPES, body.get("scope") or "").split()),
    )


def _require(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("a value with characters that are not allowed")
    return value


def _parse_seconds(value: Any, limit: int, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a lifetime that is not a number")
    try:
        seconds = int(value)
    except OverflowError:
        raise ValueError("an infinite lifetime") from None
    if not 0 <= seconds <= limit:
        raise ValueError("an absurd lifetime")
    return seconds
