"""Delivery: send one warmup mail exactly once, whatever crashes; the same steps for first mails and replies.

=====================  ==============================  ==================================================
Step                   What exists afterwards          After a crash the next call
=====================  ==============================  ==================================================
1 claim                row, status ``claimed``         continues with step 2
2 create the draft     draft at Gmail                  finds it by its Message-ID, continues with step 3
3 store the draft id   row, status ``drafted``         continues with step 4
4 send the draft       sent mail at Gmail, no draft    searches for the sent mail, continues with step 5
5 label the sent copy  label at Gmail                  repeats it
6 record               row, status ``sent``            has nothing left to do
=====================  ==============================  ==================================================

Without a stored draft id nothing was sent. With one, sending is safe to repeat: Gmail sends a draft once and then no
longer has it. The mailbox lease and everything that blocks the mailbox, such as the kill switch or a pause, are checked
immediately before steps 2 and 4, so a task that was suspended for longer than its lease does nothing more at Gmail.

If Gmail's search does not find the draft of step 2 yet, the next call creates another one. The first is then found and
deleted later: see ``earlier_attempt``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.errors import MailboxBusyError
from gmail_warmup.core.log_context import log_event, reason_code
from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db import clock
from gmail_warmup.db.engine import autocommit, retry_conflict, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import MailStatus
from gmail_warmup.db.rows import describe_error
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.errors import BadGmailRequestError, NotFoundError, SendingLimitError
from gmail_warmup.gmail.models import Message
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import sending_limit, undelivered
from gmail_warmup.warmup.actions.earlier_attempt import (
    STRAY_DRAFT_DELAY,
    DraftChangedError,
    find_earlier_draft,
    find_sent_message,
)
from gmail_warmup.warmup.actions.outgoing import (
    Delivery,
    UnbuildableMailError,
    build_mail_context,
    draw_text,
)
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import bounces, daily_counters
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.daily_counters import Outcome
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import sessions

log = logging.getLogger(__name__)


def claim_mail(
    connection: sa.Connection,
    session: MailboxSession,
    recipient: MailboxRecord,
    *,
    due_at: datetime,
    local_date: date,
    slot: int | None = None,
    thread: Sequence[Entry] = (),
) -> Delivery | None:
    """Step 1: insert the mail's row, or return None if its slot, or the reply to its thread, is already claimed.

    The database enforces one mail per slot, one reply per mail, and the daily volume.

    Args:
        slot: for a first mail only.
        thread: for a reply only: the earlier mails, first mail first.

    Raises:
        VolumeReachedError: the day's volume is used up.
        NoTemplatesError: there is no template for the mail.
    """
    answered = thread[-1] if thread else None
    language = thread[0].language if thread else session.schedule.language
    token, text = draw_text(
        connection,
        session.writer,
        sender=session.mailbox,
        recipient=recipient,
        thread=thread,
        language=language,
        now=due_at,
    )
    entry = ledger.claim_entry(
        connection,
        token=token,
        sender_id=session.mailbox.id,
        recipient_id=recipient.id,
        parent_id=answered.id if answered else None,
        turn=answered.turn + 1 if answered else 1,
        local_date=local_date,
        slot=slot,
        due_at=due_at,
        subject=answered.subject if answered else text.subject,
        language=language,
        text_hash=text.body_hash,
    )
    return Delivery(entry=entry, recipient=recipient, thread=thread, is_new=True) if entry else None


def deliver_mail(session: MailboxSession, mail: Delivery) -> MailEvent:
    """Take a claimed mail through the steps that are left; count and return what happened to it.

    Raises:
        StoppedError: an operator stopped everything.
        MailboxBlockedError: nothing may be sent from the mailbox any more; the mail waits.
        MailboxBusyError: another task holds the mailbox now and continues this mail.
        SendingLimitError: the mailbox may not send more today; it is deferred, and the mail waits.
        GmailError: by cause; the next call continues at the same step.
    """
    outcome = _take_remaining_steps(session, mail)
    session.counts[outcome] += 1
    return outcome


def _take_remaining_steps(session: MailboxSession, mail: Delivery) -> MailEvent:
    try:
        draft_id = find_earlier_draft(session, mail) or _create_draft(session, mail)
        _store_draft_id(session, mail.entry, draft_id)
        message_id = _send_draft(session, draft_id)
    except DraftChangedError:
        return undelivered.fail_mail(session, mail, "draft_changed")
    except UnbuildableMailError as error:
        log_event(log, logging.ERROR, "%s", error, reason_code="unbuildable")
        return undelivered.fail_mail(session, mail, "unbuildable")
    except BadGmailRequestError as error:
        session.refusals.append(error)
        return undelivered.fail_mail(session, mail, error.reason or "refused")
    except NotFoundError:
        if not mail.thread:
            raise
        return undelivered.fail_mail(session, mail, "thread_gone")
    except SendingLimitError as error:
        sending_limit.defer_until_tomorrow(session, error.retry_after)
        raise
    message = find_sent_message(session, mail, message_id)
    if message is None:
        return undelivered.leave_unresolved(session, mail)
    _label_sent_copy(session, message)
    _record_sent(session, mail, message)
    return MailEvent.REPLIED if mail.thread else MailEvent.SENT


def _create_draft(session: MailboxSession, mail: Delivery) -> str:
    """Step 2: create the draft at Gmail and return its id.

    Raises:
        NotFoundError: a person deleted the thread.
        UnbuildableMailError: a value in it is not valid in a mail.
    """
    try:
        raw = _build_mail(session, mail)
    except (ValueError, LookupError, TypeError) as error:
        raise UnbuildableMailError(describe_error(error)) from None
    # Thread ids are per mailbox: this is the thread in which this mailbox received the mail that it answers.
    thread_id = mail.answered.recipient_thread_id if mail.answered else None
    session.extend_lease()
    return session.gmail.create_draft(raw, thread_id=thread_id).id


def _build_mail(session: MailboxSession, mail: Delivery) -> str:
    entry, sender, recipient = mail.entry, session.mailbox, mail.recipient
    language = mail.thread[0].language if mail.thread else entry.language
    text = session.writer.write_mail(
        build_mail_context(sender, recipient, token=entry.token, thread=mail.thread, language=language)
    )
    references = tuple(earlier.rfc_message_id for earlier in mail.thread if earlier.rfc_message_id)
    outgoing = mime.OutgoingMail(
        sender=sender.address,
        sender_name=sender.display_name,
        recipient=recipient.address,
        recipient_name=recipient.display_name,
        subject=text.subject,
        text=text.text,
        html=text.html,
        message_id=mime.make_message_id(entry.token, sender.address),
        headers={session.settings.token_header: entry.token},
        in_reply_to=references[-1] if references else None,
        references=references,
    )
    return mime.encode_message(outgoing)


def _store_draft_id(session: MailboxSession, entry: Entry, draft_id: str) -> None:
    """Step 3: store the draft id, unless an earlier call did, and check the lease for step 4.

    Of two drafts only the one that is stored first is ever sent.

    Raises:
        MailboxBusyError: another task stored its draft first; ours is deleted.
    """
    with autocommit(session.engine) as connection:
        if entry.draft_id or ledger.store_draft(connection, entry.id, draft_id):
            session.extend_lease_in(connection)
            return
        stored = ledger.get_entry(connection, entry.id)
    if stored.draft_id != draft_id:
        with autocommit(session.engine) as connection:  # the deletion may fail
            due_in = session.scale_delay(STRAY_DRAFT_DELAY)
            ledger.update_entry(connection, entry.id, stray_draft_due_at=due_in)
        session.gmail.delete_draft(draft_id)
    raise MailboxBusyError(f"{session.mailbox.address}: another task continues this mail.")


def _send_draft(session: MailboxSession, draft_id: str) -> str | None:
    """Step 4: send the draft and return the id of the message, or None if an earlier call sent it."""
    try:
        return session.gmail.send_draft(draft_id)
    except NotFoundError:
        return None


def _label_sent_copy(session: MailboxSession, message: Message) -> None:
    """Step 5: label and archive the sent copy; before step 6, because a recorded mail is not visited again."""
    try:
        session.label_message(message.id, remove=tuple(message.labels & {"INBOX"}))
    except NotFoundError:
        pass  # a person deleted the copy; the mail was sent
    except BadGmailRequestError as error:
        # A retry cannot succeed, and the mail was sent: it is recorded without its label.
        text = (
            "%s: Gmail refuses to file a sent mail under the label '%s' [%s]; check AIRFLOW__GMAIL_WARMUP__GMAIL_LABEL"
        )
        address, code = session.mailbox.address, reason_code(error)
        log_event(log, logging.WARNING, text, address, session.settings.gmail_label, code, reason_code=code)


@retry_conflict
def _record_sent(session: MailboxSession, mail: Delivery, message: Message) -> None:
    """Step 6: record the sent mail, count it once, and schedule what follows."""
    with write_transaction(session.engine) as connection:
        if mail.answered:  # the mailbox that started the thread is locked before its recipient
            daily_counters.lock_sender(connection, mail.answered.sender_id)
        now = clock.get_current_time(connection)
        bounces.schedule_bounce_search(  # also locks the row of this mailbox
            connection,
            session.mailbox.id,
            message.history_id,
            due_at=session.find_next_session(now, bounces.SEARCH_DELAY),
        )
        if not _store_sent(connection, session, mail, message, now):
            return  # another call recorded it
        if mail.answered:
            ledger.update_entry(connection, mail.answered.id, replied_at=ledger.NOW)
            daily_counters.count_outcome(connection, mail.answered, Outcome.REPLIED)
        else:
            daily_counters.count_outcome(connection, mail.entry, Outcome.SENT)


def _store_sent(
    connection: sa.Connection, session: MailboxSession, mail: Delivery, message: Message, now: datetime
) -> bool:
    settings = session.settings
    locate_at = now + session.scale_delay(timedelta(seconds=settings.locate_delay))
    return ledger.update_entry(
        connection,
        mail.entry.id,
        L.status != MailStatus.SENT,
        status=MailStatus.SENT,
        sent_at=ledger.NOW,
        gmail_id=message.id,
        thread_id=message.thread_id,
        rfc_message_id=message.rfc_message_id,
        locate_due_at=sessions.find_next_session(mail.recipient, locate_at, settings),
        trash_due_at=timedelta(days=settings.retention_days) if settings.retention_days else None,
        # Only an earlier call can have left another draft.
        stray_draft_due_at=None if mail.is_new else session.scale_delay(STRAY_DRAFT_DELAY),
    )
