"""Helpers for tests of mails to owners: flagged mailboxes, a mailer that keeps its mails, and time that passes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from gmail_warmup.alerts.owner_mails.delivery import OwnerMailer, OwnerMessage
from gmail_warmup.alerts.owner_mails.template import load_template
from gmail_warmup.core.urls import SiteUrls
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from support.world import World

BASE = "https://airflow.example.com"
OLIVIA, PETER = "olivia@example.com", "peter@example.com"
_TIMES = {
    "owner_mail": ("flagged_at", "first_sent_at", "sent_at", "next_at"),
    "oauth_grant": ("state_since",),
    "invite": ("created_at", "expires_at"),
}


@dataclass
class Post:
    """Takes the mails to owners, or fails."""

    mails: list[OwnerMessage] = field(default_factory=list)
    error: BaseException | None = None

    def send(self, message: OwnerMessage) -> None:
        """Keep a mail; then raise the error, if there is one."""
        self.mails.append(message)
        if self.error:
            raise self.error

    @property
    def owners(self) -> list[str]:
        """Return the recipients, in order."""
        return [mail.owner for mail in self.mails]

    def mailer(self, template: str = "") -> OwnerMailer:
        """Return a mailer that sends to it."""
        return OwnerMailer(
            send=self.send, template=load_template(template), urls=SiteUrls(base_url=BASE), invite_days=7
        )


def flag(world: World, *addresses: str, owner: str | None = OLIVIA) -> None:
    """Add mailboxes whose grants were revoked."""
    for address in addresses:
        with world.store.engine.begin() as connection:
            settings = MailboxSettings(kind="pool", owner_email=owner)
            repository.add_or_update(connection, address, settings, actor="test")
        flag_again(world, address)


def recover(world: World, address: str) -> None:
    """Make a mailbox active again, as a consent does."""
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET state = 'active', reason = NULL, state_since = now()"
        " WHERE mailbox_id = (SELECT id FROM gmail_warmup.mailbox WHERE address = :address)",
        address=address,
    )


def flag_again(world: World, address: str) -> None:
    """Flag an existing mailbox."""
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked', state_since = now()"
        " WHERE mailbox_id = (SELECT id FROM gmail_warmup.mailbox WHERE address = :address)",
        address=address,
    )


def pass_time(world: World, **units: float) -> None:
    """Let hours or days pass."""
    move_times(world.sql, **units)


def move_times(execute: Callable[..., object], **units: float) -> None:
    """Move everything that decides when an owner is mailed into the past, with a function that executes statements."""
    seconds = units.get("days", 0) * 86_400 + units.get("hours", 0) * 3600 + units.get("minutes", 0) * 60
    for table, columns in _TIMES.items():
        moved = ", ".join(f"{column} = {column} - make_interval(secs => :seconds)" for column in columns)
        execute(f"UPDATE gmail_warmup.{table} SET {moved}", seconds=seconds)


def links_in(text: str, base_url: str = BASE) -> list[str]:
    """Return the links in the text of a mail."""
    return re.findall(rf"{re.escape(base_url)}/gmail-warmup/invite#[\w-]{{43}}", text)


def tokens_in(message: OwnerMessage) -> list[str]:
    """Return the tokens of the links of a mail."""
    return [link.rpartition("#")[2] for link in links_in(message.text)]
