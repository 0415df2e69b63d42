"""The sandbox's own time, which a test may move."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import format_datetime


class Clock:
    """Real time plus an offset in seconds."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        """Return seconds since the epoch, as the sandbox sees them."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock by `seconds`; negative values move it back."""
        self.offset += seconds

    def set(self, moment: datetime) -> None:
        """Let the clock show `moment` from now on."""
        self.offset = moment.timestamp() - time.time()


def iso(seconds: float) -> str:
    """Return an RFC 3339 text in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def mail_date(seconds: float) -> str:
    """Return the text of a mail's Date header."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))
