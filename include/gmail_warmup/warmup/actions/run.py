"""One action in one mailbox, from a task or a shell."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.core.log_context import event
from gmail_warmup.core.metrics import DONE, NO_METER, Meter, count_mails
from gmail_warmup.core.settings import Settings
from gmail_warmup.gmail.client import GmailOperations
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions.collect import collect
from gmail_warmup.warmup.actions.read import read
from gmail_warmup.warmup.actions.reply import reply
from gmail_warmup.warmup.actions.rescue import rescue
from gmail_warmup.warmup.actions.send import send
from gmail_warmup.warmup.actions.session import Desk, held
from gmail_warmup.warmup.content.generators import Writer, templates_of
from gmail_warmup.warmup.planning.eligibility import Circumstances, Obstacle, why_not_send, why_not_work

log = logging.getLogger(__name__)

_DO: dict[Action, Callable[[Desk], None]] = {
    Action.SEND: send,
    Action.RESCUE: rescue,
    Action.READ: read,
    Action.REPLY: reply,
    Action.COLLECT: collect,
}


_SENDS = frozenset({Action.SEND, Action.REPLY})


def why_not(action: Action, mailbox: MailboxRecord, at: Circumstances) -> Obstacle | None:
    """Return why a task must not do this in this mailbox now, or None."""
    return why_not_send(mailbox, at) if action in _SENDS else why_not_work(mailbox, at)


def run_action(
    action: Action,
    mailbox: MailboxRecord,
    *,
    engine: sa.Engine,
    settings: Settings,
    gmail: GmailOperations,
    writer: Writer | None = None,
    meter: Meter = NO_METER,
) -> dict[str, int]:
    """Do all that is due for one action in one mailbox, and return what was done.

    Args:
        writer: writes the mails; by default from the operator's templates, or the library.
        meter: where metrics go.

    Safe to repeat at any time: what was done is in the ledger, and what is not due is not done.

    Raises:
        MailboxBusyError: another task holds the mailbox.
        MayNotSendError: the mailbox has sent as much as Google allows.
        StoppedError: everything was stopped meanwhile.
        GmailError: by cause.
        GrantError: by cause.
    """
    # Looked at again: what the plan saw may be minutes old.
    with held(engine, mailbox, settings) as (holder, (mailbox, at)):
        if obstacle := why_not(action, mailbox, at):
            event(log, logging.INFO, "%s", obstacle, reason_code=obstacle.code)
            return {}
        writer = writer or Writer(templates_of(settings))
        desk = Desk(engine=engine, settings=settings, gmail=gmail, mailbox=mailbox, writer=writer, holder=holder)
        try:
            _DO[action](desk)
            meter.count(DONE, action)
        finally:
            count_mails(meter, desk.counts)
            if desk.counts:
                done = ", ".join(f"{name} {count}" for name, count in sorted(desk.counts.items()))
                log.info("%s %s: %s", action.value, mailbox.address, done)
    return dict(desk.counts)
