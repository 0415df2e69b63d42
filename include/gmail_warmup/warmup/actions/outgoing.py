"""One outgoing mail: its ledger row, recipient and thread, and its text, which its pair has not seen for 60 days."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.log_context import log_event
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.content.compose import MailContext, MailText
from gmail_warmup.warmup.content.generators import MailWriter
from gmail_warmup.warmup.content.template_library import NoTemplatesError
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.warmup.content.variety import NO_REPEAT_FOR
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger import sent_texts
from gmail_warmup.warmup.ledger.entries import Entry

log = logging.getLogger(__name__)

_MAX_DRAWS = 2000
"""Enough to find the last subject and the last text of a library that has just as many as are needed."""


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
    sender: MailboxRecord, recipient: MailboxRecord, *, token: str, thread: Sequence[Entry], language: str | None
) -> MailContext:
    """Return what the text of a mail is written from.

    Args:
        token: of the mail; the seed of its text.
        thread: as in `Delivery`.
        language: of the thread, which stays in the language that its first mailbox had at the beginning.
    """
    return MailContext(
        kind=_choose_kind(thread),
        seed=token,
        thread_seed=thread[0].token if thread else token,
        sender_name=resolve_display_name(sender),
        recipient_name=resolve_display_name(recipient),
        signature=sender.signature or "",
        subject=thread[-1].subject if thread else "",
        language=language,
    )


def _choose_kind(thread: Sequence[Entry]) -> MailKind:
    """Return the kind of the thread's next mail: odd turns are written by the mailbox that started the thread."""
    if not thread:
        return MailKind.FIRST
    return MailKind.REPLY if thread[-1].turn % 2 else MailKind.FOLLOWUP


def resolve_display_name(mailbox: MailboxRecord) -> str:
    """Return the name for greeting and signature: the display name, or one derived from the address."""
    return mailbox.display_name or mailbox.address.partition("@")[0].replace(".", " ").replace("_", " ").title()


def draw_text(
    connection: sa.Connection,
    writer: MailWriter,
    *,
    sender: MailboxRecord,
    recipient: MailboxRecord,
    thread: Sequence[Entry],
    language: str | None,
    now: datetime,
) -> tuple[str, MailText]:
    """Return a token and the text that it gives, which the pair has not seen; a reply keeps its thread's subject.

    If the templates are too few for that, the text that repeats least is returned, and this is logged.

    Raises:
        NoTemplatesError: there is no template for the mail.
    """
    sent = sent_texts.load_sent_texts(
        connection, sender_id=sender.id, recipient_id=recipient.id, since=now - NO_REPEAT_FOR
    )
    draws: list[tuple[int, str, MailText]] = []
    for token, text in _iter_texts(writer, sender, recipient, thread, language):
        repeated = sent.count_repeated(subject=None if thread else text.subject, text_hash=text.body_hash)
        if not repeated:
            return token, text
        draws.append((repeated, token, text))
    message = "%s: too few templates: a mail to %s repeats one of the last %d days. Run: gmail-warmup content lint"
    log_event(
        log, logging.WARNING, message, sender.address, recipient.address, NO_REPEAT_FOR.days,
        reason_code="text_repeated",
    )  # fmt: skip
    _, token, text = min(draws, key=lambda draw: draw[0])
    return token, text


def _iter_texts(
    writer: MailWriter,
    sender: MailboxRecord,
    recipient: MailboxRecord,
    thread: Sequence[Entry],
    language: str | None,
) -> Iterator[tuple[str, MailText]]:
    """Yield new tokens with the texts that they give.

    Raises:
        NoTemplatesError: no template exists. A language without one is skipped if another can be written.
    """
    unwritten, is_empty = None, True
    for _ in range(_MAX_DRAWS):
        token = ledger.generate_token()
        context = build_mail_context(sender, recipient, token=token, thread=thread, language=language)
        try:
            text = writer.write_from_templates(context)
        except NoTemplatesError as error:
            if thread or context.language:
                raise
            unwritten = error
            continue
        is_empty = False
        yield token, text
    if unwritten and is_empty:
        raise unwritten
