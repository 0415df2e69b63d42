"""Parse responses of servers defensively."""

from __future__ import annotations

import email.utils
import json
import re
from datetime import UTC, datetime
from typing import Any

MAX_RETRY_AFTER_SECONDS = 86_400.0
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


_RETRY_TIME = re.compile(
    r"retry after\s+(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)?)", re.IGNORECASE
)


def parse_retry_time(text: str) -> float | None:
    """Return the seconds until the time in a text such as "Retry after 2026-11-29T14:00:00.000Z", or None."""
    found = _RETRY_TIME.search(text[:2000])
    if found is None:
        return None
    try:
        wait = _subtract_now(datetime.fromisoformat(found[1]))
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait), MAX_RETRY_AFTER_SECONDS)


def _seconds_until(date: str) -> float:
    return _subtract_now(email.utils.parsedate_to_datetime(date))


def _subtract_now(when: datetime) -> float:
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
