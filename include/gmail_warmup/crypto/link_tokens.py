"""Tokens of links that need no login: 256 random bits. Only their hash is stored, which opens nothing."""

from __future__ import annotations

import hashlib
import re
import secrets

_TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}")


def make_link_token() -> str:
    """Return a new token."""
    return secrets.token_urlsafe(32)


def hash_link_token(token: str) -> str | None:
    """Return the hash under which a token is stored; None if no token has this form."""
    return hashlib.sha256(token.encode()).hexdigest() if _TOKEN_PATTERN.fullmatch(token) else None
