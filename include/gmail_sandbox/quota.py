"""Quota units: the cost of each Gmail method, and the usage per minute and day."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gmail_sandbox.gmail.errors import DAILY_LIMIT, PROJECT_RATE, USER_RATE, GmailError
from gmail_sandbox.settings import Settings

UNITS = {
    "messages.send": 100,
    "drafts.send": 100,
    "drafts.create": 10,
    "drafts.delete": 10,
    "drafts.update": 15,
    "drafts.get": 20,
    "drafts.list": 5,
    "messages.get": 20,
    "messages.list": 5,
    "messages.modify": 5,
    "messages.batchModify": 50,
    "messages.trash": 20,
    "messages.untrash": 5,
    "messages.delete": 20,
    "getProfile": 1,
    "labels.list": 1,
    "labels.get": 1,
    "labels.create": 5,
    "labels.patch": 5,
    "labels.update": 5,
    "labels.delete": 5,
    "history.list": 2,
    "threads.get": 40,
    "threads.list": 10,
    "threads.modify": 10,
    "threads.trash": 20,
    "threads.untrash": 10,
}


@dataclass(slots=True)
class Quota:
    """Quota units used in the current minute and day of the sandbox's clock."""

    minute: int = 0
    day: int = 0
    by_user: Counter[str] = field(default_factory=Counter)
    in_minute: int = 0
    in_day: int = 0

    def spend(self, address: str, units: int, now: float, limits: Settings) -> None:
        """Count the units of a call; if they would exceed a limit, raise Google's refusal without counting them."""
        minute, day = int(now // 60), int(now // 86400)
        if minute != self.minute:
            self.minute, self.in_minute = minute, 0
            self.by_user.clear()
        if day != self.day:
            self.day, self.in_day = day, 0
        if limits.units:
            if limits.project_units_per_day and self.in_day + units > limits.project_units_per_day:
                raise GmailError(DAILY_LIMIT)
            if self.in_minute + units > limits.project_units_per_minute:
                raise GmailError(PROJECT_RATE)
            if self.by_user[address] + units > limits.user_units_per_minute:
                raise GmailError(USER_RATE)
        self.by_user[address] += units
        self.in_minute += units
        self.in_day += units
