"""The sandbox's clock, which tests can move."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import format_datetime


class Clock:
    """Real time plus an offset in seconds."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        """Return the sandbox's time in seconds since the epoch."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock by `seconds`; negative values move it back."""
        self.offset += seconds

    def set(self, moment: datetime) -> None:
        """Set the clock to `moment`; it continues from there."""
        self.offset = moment.timestamp() - time.time()


def iso(seconds: float) -> str:
    """Format a time as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def mail_date(seconds: float) -> str:
    """Format a time for the Date header of a mail."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))
