"""The sandbox's state, kept in memory."""

from __future__ import annotations

import itertools
from collections import Counter

from gmail_sandbox.addresses import without_tag
from gmail_sandbox.clock import Clock
from gmail_sandbox.faults import Faults
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.oauth.grants import Grants
from gmail_sandbox.quota import Quota
from gmail_sandbox.records import Client, DirectoryGroup, DirectoryUser, MailRecord, ServiceAccount
from gmail_sandbox.settings import Settings
from gmail_sandbox.stats import Stats


class World:
    """All state that a reset clears. No locks: handlers run on one event loop and do not await while they change it."""

    def __init__(self, settings: Settings) -> None:
        self.start_settings = settings
        self.faults = Faults(settings.seed)
        self.reset()

    def reset(self) -> None:
        """Clear all state and restore the initial settings."""
        self.settings = self.start_settings.model_copy(deep=True)
        self.clock = Clock()
        self.faults.clear()
        self.faults = Faults(self.settings.seed)
        self.grants = Grants()
        self.quota = Quota()
        self.stats = Stats()
        self.clients: dict[str, Client] = {}
        self.service_accounts: dict[str, ServiceAccount] = {}
        self.directory_users: dict[str, DirectoryUser] = {}
        self.directory_groups: dict[str, DirectoryGroup] = {}
        self.mailboxes: dict[str, Mailbox] = {}
        self.mails: list[MailRecord] = []
        self.pair_counts: Counter[tuple[str, str]] = Counter()
        # A heap of (due, order, mail, recipient); a mail is delivered once the clock reaches `due`.
        self.in_transit: list[tuple[float, int, MailRecord, str]] = []
        self._numbers = itertools.count(1)

    def next_number(self) -> int:
        """Return the next unused number."""
        return next(self._numbers)

    def new_id(self) -> str:
        """Return a new id for a message or thread, in Gmail's format."""
        return f"{0x19A0_0000_0000_0000 + self.next_number() * 0x1F_3D5B:016x}"

    def mailbox(self, address: str) -> Mailbox | None:
        """Return the mailbox to which mail for `address` is delivered."""
        return self.mailboxes.get(address) or self.mailboxes.get(without_tag(address))
