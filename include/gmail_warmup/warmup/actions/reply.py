"""Reply: answer the mails whose time has come, exactly once each; a thread goes on like this, turn by turn."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import sqlalchemy as sa

from gmail_warmup.core.log_context import log_event, reason_code
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import MailStatus
from gmail_warmup.gmail.errors import BadGmailRequestError, NotFoundError, SendingLimitError
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import sending_limit
from gmail_warmup.warmup.actions.send import defer_mailbox
from gmail_warmup.warmup.actions.session import MailboxSession, build_mail_context, deliver_mail
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry

log = logging.getLogger(__name__)


def send_replies(desk: MailboxSession) -> None:
    """Send the answers that are due, and finish those that an earlier task began."""
    with connect_autocommit(desk.engine) as connection:
        questions = ledger.find_pending_for_recipient(connection, desk.mailbox.id, ledger.UNANSWERED)
    for question in desk.defer_at_night(questions, L.reply_due_at):
        sending_limit.enforce_sending_limit(desk)
        _reply_to_mail(desk, question)


def _reply_to_mail(desk: MailboxSession, question: Entry) -> None:
    """Claim the answer (one per mail, by the table's constraint) and send it by the protocol of every mail."""
    with desk.engine.begin() as connection:
        partner = repository.get_mailbox_by_id(connection, question.sender_id)
        thread = ledger.load_thread(connection, question)
        begun = ledger.find_reply(connection, question.id)
        entry = begun or _claim_reply(connection, desk, question)
    if entry is None or entry.status not in (MailStatus.CLAIMED, MailStatus.DRAFTED):
        return
    try:
        if _send_reply(desk, entry, thread, partner, fresh=begun is None):
            desk.counts["replied"] += 1
    except NotFoundError:
        _mark_reply_failed(desk, entry, question, "thread_gone")  # a person deleted it
    except BadGmailRequestError as error:
        _mark_reply_failed(desk, entry, question, error.reason or "refused")
        text, code = "%s: Gmail refuses a reply for good [%s]", reason_code(error)
        log_event(log, logging.WARNING, text, desk.mailbox.address, code, reason_code=code)
    except SendingLimitError:
        defer_mailbox(desk, "sending_limit")
        raise


def _send_reply(
    desk: MailboxSession, entry: Entry, thread: Sequence[Entry], partner: MailboxRecord, *, fresh: bool
) -> bool:
    brief = build_mail_context(
        desk.mailbox,
        partner,
        kind=MailKind.FOLLOWUP if entry.turn % 2 else MailKind.REPLY,
        seed=entry.token,
        thread=thread[0].token,
        subject=entry.subject,
    )
    return deliver_mail(desk, entry, desk.writer.write_mail(brief), partner, thread=thread, fresh=fresh)


def _claim_reply(connection: sa.Connection, desk: MailboxSession, question: Entry) -> Entry | None:
    local = question.seen_at.astimezone(desk.mailbox.zone)
    return ledger.claim_entry(
        connection,
        token=ledger.generate_token(),
        sender_id=desk.mailbox.id,
        recipient_id=question.sender_id,
        parent_id=question.id,
        turn=question.turn + 1,
        local_date=local.date(),
        due_at=local,
        subject=question.subject,
    )


def _mark_reply_failed(desk: MailboxSession, entry: Entry, question: Entry, failure: str) -> None:
    with desk.engine.begin() as connection:
        ledger.update_entry(connection, entry.id, status=MailStatus.FAILED, failure=failure)
        if ledger.update_entry(connection, question.id, ledger.WILL_BE_ANSWERED, reply_due_at=None):
            ledger.record_rate_decision(connection, question, answered=-1)
    desk.counts["refused"] += 1
