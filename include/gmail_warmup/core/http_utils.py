"""Parse responses of servers defensively."""

from __future__ import annotations

import email.utils
import json
from datetime import UTC, datetime
from typing import Any

MAX_RETRY_AFTER_SECONDS = 3600.0
"""Maximum number of seconds that a server can make us wait."""


def parse_json(content: bytes | str) -> Any:
    """Return a parsed JSON document, or None if it is invalid or nested too deeply."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def parse_retry_after(retry_after: str | None) -> float | None:
    """Return the seconds of a header Retry-After, in either of its forms (RFC 9110, 10.2.3)."""
    text = (retry_after or "").strip()
    if not text:
        return None
    try:
        # Limit the number of digits; `isdigit` alone accepts superscripts too.
        wait = float(text[:12]) if text.isascii() and text.isdigit() else _seconds_until(text)
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait), MAX_RETRY_AFTER_SECONDS)


def _seconds_until(date: str) -> float:
    when = email.utils.parsedate_to_datetime(date)
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
