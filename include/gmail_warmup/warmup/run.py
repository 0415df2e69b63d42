"""One action in one mailbox, from a task or a shell."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa

from gmail_warmup.gmail.operations import GmailOperations
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.settings import Settings
from gmail_warmup.warmup.actions.base import Desk, held
from gmail_warmup.warmup.actions.collect import collect
from gmail_warmup.warmup.actions.read import read
from gmail_warmup.warmup.actions.reply import reply
from gmail_warmup.warmup.actions.rescue import rescue
from gmail_warmup.warmup.actions.send import send
from gmail_warmup.warmup.due import Action
from gmail_warmup.warmup.generators import Writer, templates_of

log = logging.getLogger(__name__)

_DO: dict[Action, Callable[[Desk], None]] = {
    Action.SEND: send,
    Action.RESCUE: rescue,
    Action.READ: read,
    Action.REPLY: reply,
    Action.COLLECT: collect,
}


def why_not(mailbox: MailboxRecord) -> str | None:
    """Return why a task must leave this mailbox alone, or None."""
    if mailbox.paused_at is not None:
        return f"{mailbox.address} is paused: {mailbox.pause_reason or 'no reason given'}."
    if not mailbox.works:
        return f"{mailbox.address} is {mailbox.state.value} ({mailbox.reason}); nothing is tried until it is repaired."
    return None


def run_action(
    action: Action,
    mailbox: MailboxRecord,
    *,
    engine: sa.Engine,
    settings: Settings,
    gmail: GmailOperations,
    writer: Writer | None = None,
) -> dict[str, int]:
    """Do all that is due for one action in one mailbox, and return what was done.

    Args:
        writer: writes the mails; by default from the operator's templates, or the library.

    Safe to repeat at any time: what was done is in the ledger, and what is not due is not done.

    Raises:
        MailboxBusyError: another task holds the mailbox.
        GmailError: by cause.
        GrantError: by cause.
    """
    with held(engine, mailbox, settings) as holder:
        with engine.begin() as connection:
            # Read again: what the plan saw may be minutes old.
            mailbox = repository.get(connection, mailbox.address)
        if why_not(mailbox):
            return {}
        writer = writer or Writer(templates_of(settings))
        desk = Desk(engine=engine, settings=settings, gmail=gmail, mailbox=mailbox, writer=writer, holder=holder)
        try:
            _DO[action](desk)
        finally:
            if desk.counts:
                done = ", ".join(f"{name} {count}" for name, count in sorted(desk.counts.items()))
                log.info("%s %s: %s", action.value, mailbox.address, done)
    return dict(desk.counts)
