"""Reply: answer the mails whose time has come, exactly once each; a thread goes on like this, turn by turn."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlalchemy as sa

from gmail_warmup.core.log_context import code_of, event
from gmail_warmup.db.engine import by_itself
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import MailStatus
from gmail_warmup.gmail.errors import BadGmailRequestError, NotFoundError, SendingLimitError
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import sending_limit
from gmail_warmup.warmup.actions.send import defer
from gmail_warmup.warmup.actions.session import Desk, brief_of, deliver
from gmail_warmup.warmup.content.templates import Kind
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry

log = logging.getLogger(__name__)


def reply(desk: Desk) -> None:
    """Send the answers that are due, and finish those that an earlier task began."""
    with by_itself(desk.engine) as connection:
        questions = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNANSWERED)
    for question in desk.by_day(questions, L.reply_due_at):
        sending_limit.keep(desk)
        _answer(desk, question)


def _answer(desk: Desk, question: Entry) -> None:
    """Claim the answer (one per mail, by the table's constraint) and send it by the protocol of every mail."""
    with desk.engine.begin() as connection:
        partner = repository.by_id(connection, question.sender_id)
        thread = ledger.thread_of(connection, question)
        begun = ledger.reply_to(connection, question.id)
        entry = begun or _claim(connection, desk, question)
    if entry is None or entry.status not in (MailStatus.CLAIMED, MailStatus.DRAFTED):
        return
    try:
        if _send(desk, entry, thread, partner, fresh=begun is None):
            desk.counts["replied"] += 1
    except NotFoundError:
        _give_up(desk, entry, question, "thread_gone")  # a person deleted it
    except BadGmailRequestError as error:
        _give_up(desk, entry, question, error.reason or "refused")
        text, code = "%s: Gmail refuses a reply for good [%s]", code_of(error)
        event(log, logging.WARNING, text, desk.mailbox.address, code, reason_code=code)
    except SendingLimitError:
        defer(desk, "sending_limit")
        raise


def _send(desk: Desk, entry: Entry, thread: Sequence[Entry], partner: MailboxRecord, *, fresh: bool) -> bool:
    brief = brief_of(
        desk.mailbox,
        partner,
        kind=Kind.FOLLOWUP if entry.turn % 2 else Kind.REPLY,
        seed=entry.token,
        thread=thread[0].token,
        subject=entry.subject,
    )
    return deliver(desk, entry, desk.writer.letter(brief), partner, thread=thread, fresh=fresh)


def _claim(connection: sa.Connection, desk: Desk, question: Entry) -> Entry | None:
    local = question.seen_at.astimezone(desk.mailbox.zone)
    return ledger.claim(
        connection,
        token=ledger.new_token(),
        sender_id=desk.mailbox.id,
        recipient_id=question.sender_id,
        parent_id=question.id,
        turn=question.turn + 1,
        local_date=local.date(),
        due_at=local,
        subject=question.subject,
    )


def _give_up(desk: Desk, entry: Entry, question: Entry, failure: str) -> None:
    with desk.engine.begin() as connection:
        ledger.update(connection, entry.id, status=MailStatus.FAILED, failure=failure)
        if ledger.update(connection, question.id, ledger.TO_ANSWER, reply_due_at=None):
            ledger.drew(connection, question, answered=-1)
    desk.counts["refused"] += 1
