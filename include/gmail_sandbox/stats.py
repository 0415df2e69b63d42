"""Counters of the requests that the sandbox received."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from gmail_sandbox.records import GmailCall, TokenRequest

TOKEN_REQUESTS_KEPT = 200_000
CALLS_KEPT = 20_000


@dataclass(slots=True)
class MailboxStats:
    """Counters of a mailbox."""

    calls: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    units: int = 0
    token_requests: int = 0
    sent: int = 0
    delivered_inbox: int = 0
    delivered_spam: int = 0
    bounced: int = 0
    in_flight: int = 0
    max_in_flight: int = 0


@dataclass(slots=True)
class Stats:
    """Counters of the whole sandbox."""

    mailboxes: dict[str, MailboxStats] = field(default_factory=dict)
    token_outcomes: Counter[str] = field(default_factory=Counter)
    consents: Counter[str] = field(default_factory=Counter)
    unauthenticated_calls: int = 0
    token_requests: deque[TokenRequest] = field(default_factory=lambda: deque(maxlen=TOKEN_REQUESTS_KEPT))
    calls: deque[GmailCall] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    _last_token_request: int = 0

    def of(self, address: str) -> MailboxStats:
        """Return a mailbox's counters; create them if they are missing."""
        if address not in self.mailboxes:
            self.mailboxes[address] = MailboxStats()
        return self.mailboxes[address]

    def note_call(self, address: str, method: str, target: str | None, at: float) -> None:
        """Append an admitted call to the log of calls."""
        self.calls.append(GmailCall(at, address, method, target))

    def next_token_request(self) -> int:
        """Return a new id for a token request."""
        self._last_token_request += 1
        return self._last_token_request
