"""Run one action in one mailbox, from a task or a shell."""

from __future__ import annotations

import logging
from collections.abc import Callable

import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import IncompleteActionError, MailboxBlockedError
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
from gmail_warmup.warmup.planning.eligibility import find_blocker

log = logging.getLogger(__name__)

_ACTION_FUNCTIONS: dict[Action, Callable[[MailboxSession], None]] = {
    Action.SEND: send_due_mails,
    Action.RESCUE: rescue_mails,
    Action.READ: read_mails,
    Action.REPLY: send_replies,
    Action.COLLECT: collect_replies,
}


def _get_action_function(action: Action) -> Callable[[MailboxSession], None]:
    if action not in _ACTION_FUNCTIONS:
        raise IncompleteActionError(
            action,
            missing="the function that performs it in a mailbox",
            table="_ACTION_FUNCTIONS in warmup/actions/run.py",
        )
    return _ACTION_FUNCTIONS[action]


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
    """Do everything that is due for one action in one mailbox, and return the counts by name.

    Safe to repeat at any time: the ledger records what was done, and only what is due is done. It ends early if the
    mailbox may not be used any more, because a person paused it, for example.

    Args:
        writer: writes the mails; by default from the operator's templates or the built-in ones.
        meter: receives the metrics.

    Raises:
        MailboxBusyError: another task holds the mailbox.
        MayNotSendError: the mailbox has sent as much as Google allows.
        StoppedError: an operator stopped everything.
        GmailError: by cause; also if Gmail refused all mails of this call.
        GrantError: by cause.
        IncompleteActionError: no function performs this action.
    """
    perform = _get_action_function(action)
    # The blockers are checked again: those that the plan saw may be minutes old.
    with lease_mailbox(engine, mailbox, settings) as (holder, (mailbox, blockers)):
        if blocker := find_blocker(action, mailbox, blockers):
            log_event(log, logging.INFO, "%s", blocker, reason_code=blocker.code)
            return {}
        writer = writer or MailWriter(build_template_generator(settings))
        session = MailboxSession(
            engine=engine,
            settings=settings,
            gmail=gmail,
            mailbox=mailbox,
            writer=writer,
            holder=holder,
            action=action,
        )
        try:
            perform(session)
            session.require_accepted_mail()
            session.require_usable_mail()
            meter.increment_counter(DONE, action)
        except MailboxBlockedError as error:  # a person paused the mailbox meanwhile, for example
            log_event(log, logging.INFO, "%s", error, reason_code=error.reason)
        finally:
            count_mails(meter, session.counts, session.placements, session.bounces)
            if summary := session.summarize():
                done = ", ".join(f"{name} {count}" for name, count in sorted(summary.items()))
                log.info("%s %s: %s", action.value, mailbox.address, done)
    return summary
