"""Relative times as text: "in 2 days", "3 hours ago"."""

from __future__ import annotations

from datetime import datetime, timedelta

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))


def format_time_left(left: timedelta) -> str:
    """Format a remaining time in its largest whole unit."""
    if left <= timedelta(0):
        return "expired"
    amount = _format_amount(left)
    return f"in {amount}" if amount else "in under a minute"


def format_time_ago(moment: datetime, now: datetime) -> str:
    """Format a past time in its largest whole unit."""
    amount = _format_amount(now - moment).replace("minute", "min").replace("mins", "min")
    return f"{amount} ago" if amount else "just now"


def _format_amount(duration: timedelta) -> str:
    """Return a duration in its largest whole unit; empty below a minute."""
    seconds = int(duration.total_seconds())
    for unit, size in _UNITS:
        count = seconds // size
        if count > 0:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return ""
