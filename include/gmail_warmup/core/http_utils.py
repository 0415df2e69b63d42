"""What servers answer, read so that nothing in it can raise or let anybody wait for ever."""

from __future__ import annotations

import email.utils
import functools
import json
import ssl
from datetime import UTC, datetime
from typing import Any

import httpx

MAX_RETRY_AFTER_SECONDS = 3600.0
"""Seconds that a server may ask to wait; whoever asks for more is asked again after this."""


def parse_json(content: bytes | str) -> Any:
    """Return a JSON document; None if it is none, or one that is nested too deep to be read."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def parse_retry_after(retry_after: str | None) -> float | None:
    """Return for how long a header Retry-After asks to wait, in either of its forms (RFC 9110, 10.2.3)."""
    text = (retry_after or "").strip()
    if not text:
        return None
    try:
        # A number of very many digits is not worth reading; `isdigit` alone takes superscripts as well.
        wait = float(text[:12]) if text.isascii() and text.isdigit() else _seconds_until(text)
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait), MAX_RETRY_AFTER_SECONDS)


def _seconds_until(date: str) -> float:
    when = email.utils.parsedate_to_datetime(date)
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()


@functools.cache
def get_ssl_context() -> ssl.SSLContext:
    """Return the settings, made once; processes that are forked afterwards inherit them."""
    return httpx.create_ssl_context()
