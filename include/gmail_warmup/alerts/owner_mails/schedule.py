"""When the owner of a mailbox is mailed: when it needs re-authentication, and after 2 and 7 days; then no more."""

from __future__ import annotations

from datetime import datetime, timedelta

REMINDERS = (timedelta(days=2), timedelta(days=7))
"""When the reminders are due, from the first mail."""
MAX_MAILS = 1 + len(REMINDERS)
REMINDER_GAP = timedelta(days=1)
"""The least time between two mails about one mailbox, if reminders were delayed."""
OWNER_GAP = timedelta(hours=6)
"""The least time between two mails to one owner, whatever happens meanwhile."""
LOOKAHEAD = timedelta(days=1)
"""What is due within this time is part of the same mail."""
FIRST_RETRY, MAX_RETRY = timedelta(minutes=15), timedelta(days=1)


def compute_retry(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts that failed, or whose outcome is unknown."""
    factor: int = 4 ** min(attempts - 1, 8)
    return min(MAX_RETRY, FIRST_RETRY * factor)


def compute_next(mails: int, *, first_sent_at: datetime, sent_at: datetime) -> datetime | None:
    """Return when the next mail is due after so many mails; None after the last one."""
    return max(first_sent_at + REMINDERS[mails - 1], sent_at + REMINDER_GAP) if mails < MAX_MAILS else None
