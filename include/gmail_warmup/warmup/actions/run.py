"""One action in one mailbox, from a task or a shell."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import DONE, NULL_METER, Meter, count_mails
from gmail_warmup.core.settings import Settings
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions.collect import collect_replies
from gmail_warmup.warmup.actions.read import read_mails
from gmail_warmup.warmup.actions.reply import send_replies
from gmail_warmup.warmup.actions.rescue import rescue_mails
from gmail_warmup.warmup.actions.send import send_due_mails
from gmail_warmup.warmup.actions.session import MailboxSession, lease_mailbox
from gmail_warmup.warmup.content.generators import MailWriter, build_template_generator
from gmail_warmup.warmup.planning.eligibility import Blocker, GlobalBlockers, find_send_blocker, find_work_blocker

log = logging.getLogger(__name__)

_ACTION_FUNCTIONS: dict[Action, Callable[[MailboxSession], None]] = {
    Action.SEND: send_due_mails,
    Action.RESCUE: rescue_mails,
    Action.READ: read_mails,
    Action.REPLY: send_replies,
    Action.COLLECT: collect_replies,
}


_SENDING_ACTIONS = frozenset({Action.SEND, Action.REPLY})


def find_blocker(action: Action, mailbox: MailboxRecord, at: GlobalBlockers) -> Blocker | None:
    """Return why a task must not do this in this mailbox now, or None."""
    return find_send_blocker(mailbox, at) if action in _SENDING_ACTIONS else find_work_blocker(mailbox, at)


def run_action(
    action: Action,
    mailbox: MailboxRecord,
    *,
    engine: sa.Engine,
    settings: Settings,
    gmail: GmailClient,
    writer: MailWriter | None = None,
    meter: Meter = NULL_METER,
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
    with lease_mailbox(engine, mailbox, settings) as (holder, (mailbox, at)):
        if obstacle := find_blocker(action, mailbox, at):
            log_event(log, logging.INFO, "%s", obstacle, reason_code=obstacle.code)
            return {}
        writer = writer or MailWriter(build_template_generator(settings))
        desk = MailboxSession(
            engine=engine, settings=settings, gmail=gmail, mailbox=mailbox, writer=writer, holder=holder
        )
        try:
            _ACTION_FUNCTIONS[action](desk)
            meter.increment_counter(DONE, action)
        finally:
            count_mails(meter, desk.counts)
            if desk.counts:
                done = ", ".join(f"{name} {count}" for name, count in sorted(desk.counts.items()))
                log.info("%s %s: %s", action.value, mailbox.address, done)
    return dict(desk.counts)
