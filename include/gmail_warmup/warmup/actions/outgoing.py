"""One outgoing mail: its ledger row, its recipient and its thread, and what its text is written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.content.compose import MailContext
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.warmup.ledger.entries import Entry


class UnbuildableMailError(GmailWarmupError):
    """A mail cannot be built from what is stored about it and its two mailboxes."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A claimed mail, to be delivered.

    Attributes:
        thread: the earlier mails of the thread, first mail first; this mail answers the last one. Empty for a first
            mail.
        is_new: whether this call claimed the row, so that no earlier call can have left a draft.
    """

    entry: Entry
    recipient: MailboxRecord
    thread: Sequence[Entry] = ()
    is_new: bool = False

    @property
    def answered(self) -> Entry | None:
        """Return the mail that this one answers."""
        return self.thread[-1] if self.thread else None


def build_mail_context(
    sender: MailboxRecord, recipient: MailboxRecord, *, token: str, thread: Sequence[Entry]
) -> MailContext:
    """Return what the text of a mail is written from.

    Args:
        token: of the mail; the seed of its text.
        thread: as in `Delivery`.
    """
    return MailContext(
        kind=_choose_kind(thread),
        seed=token,
        thread_seed=thread[0].token if thread else token,
        sender_name=resolve_display_name(sender),
        recipient_name=resolve_display_name(recipient),
        signature=sender.signature or "",
        subject=thread[-1].subject if thread else "",
    )


def _choose_kind(thread: Sequence[Entry]) -> MailKind:
    """Return the kind of the thread's next mail: odd turns are written by the mailbox that started the thread."""
    if not thread:
        return MailKind.FIRST
    return MailKind.REPLY if thread[-1].turn % 2 else MailKind.FOLLOWUP


def resolve_display_name(mailbox: MailboxRecord) -> str:
    """Return the name for greeting and signature: the display name, or one derived from the address."""
    return mailbox.display_name or mailbox.address.partition("@")[0].replace(".", " ").replace("_", " ").title()
