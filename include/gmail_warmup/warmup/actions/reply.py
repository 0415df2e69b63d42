"""Reply: answer the mails whose time has come, exactly once each."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, MailStatus
from gmail_warmup.gmail.errors import BadGmailRequestError, SendingLimitError
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup import ledger
from gmail_warmup.warmup.actions.base import Desk, deliver
from gmail_warmup.warmup.actions.send import defer, name_of
from gmail_warmup.warmup.content import reply_letter
from gmail_warmup.warmup.ledger import Entry

log = logging.getLogger(__name__)


def reply(desk: Desk) -> None:
    """Send the replies that are due, and finish those that an earlier task began."""
    with desk.engine.begin() as connection:
        questions = ledger.of_recipient(connection, desk.mailbox.id, ledger.UNANSWERED)
    for question in questions:
        _answer(desk, question)


def _answer(desk: Desk, question: Entry) -> None:
    """Claim the reply (one per mail, by the table's constraint) and send it by the protocol of every mail."""
    with desk.engine.begin() as connection:
        sender = repository.record(connection.execute(repository.SELECT.where(Mailbox.id == question.sender_id)).one())
        begun = ledger.reply_to(connection, question.id)
        entry = begun or _claim(connection, desk, question)
    if entry is None or entry.status not in (MailStatus.CLAIMED, MailStatus.DRAFTED):
        return
    letter = reply_letter(
        seed=entry.token,
        subject=question.subject,
        sender_name=name_of(desk.mailbox),
        recipient_name=name_of(sender),
    )
    try:
        if deliver(desk, entry, letter, sender, answers=question, fresh=begun is None):
            desk.counts["replied"] += 1
    except BadGmailRequestError as error:
        with desk.engine.begin() as connection:
            ledger.update(connection, entry.id, status=MailStatus.FAILED, failure=error.reason or "refused")
            ledger.update(connection, question.id, reply_due_at=None)
        log.warning("%s: Gmail refuses a reply for good [%s]", desk.mailbox.address, error.reason)
    except SendingLimitError:
        defer(desk, "sending_limit")
        raise


def _claim(connection: sa.Connection, desk: Desk, question: Entry) -> Entry | None:
    local = connection.execute(sa.select(sa.func.now())).scalar_one().astimezone(desk.mailbox.zone)
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
