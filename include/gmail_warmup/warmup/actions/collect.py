"""Collect: find the replies to a mailbox's mails, process bounces, and remove old mail and drafts that were left."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db import clock
from gmail_warmup.db.engine import autocommit, retry_conflict, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Placement
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.actions.bounces import process_bounces
from gmail_warmup.warmup.actions.earlier_attempt import delete_stray_drafts
from gmail_warmup.warmup.actions.find_mail import classify_placement, find_received_mail
from gmail_warmup.warmup.actions.session import MailboxSession, isolate_mail
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger import retention
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.ledger.retention import ExpiredMails
from gmail_warmup.warmup.planning import engagement
from gmail_warmup.warmup.planning.schedules import Schedule, find_schedule


def collect_replies(session: MailboxSession) -> None:
    """Find the due replies, rescue those in spam, read, label and archive them; then process bounces and old mail."""
    with autocommit(session.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, session.mailbox.id, ledger.UNCOLLECTED)
    for entry in session.while_permitted(session.defer_at_night(entries, L.locate_due_at)):
        with isolate_mail(session, entry):
            _collect_reply(session, entry)
    process_bounces(session)
    delete_stray_drafts(session)
    _trash_old_mail(session)


def _collect_reply(session: MailboxSession, entry: Entry) -> None:
    placement, message_id = entry.placement, entry.recipient_gmail_id
    if placement is None or message_id is None:
        message = find_received_mail(session, entry)
        if message is None:
            return
        placement, message_id = classify_placement(message.labels), message.id
        with autocommit(session.engine) as connection:
            ledger.update_entry(
                connection,
                entry.id,
                placement=placement,
                placed_at=ledger.NOW,
                recipient_gmail_id=message.id,
                recipient_thread_id=message.thread_id,
            )
    is_rescued, is_read = _process_reply(session, entry, placement, message_id)
    _record_collected(session, entry, is_rescued=is_rescued, is_read=is_read)


def _process_reply(session: MailboxSession, entry: Entry, placement: Placement, message_id: str) -> tuple[bool, bool]:
    """Rescue, read, label and archive a reply; return whether it was rescued and whether it was read."""
    in_spam = placement is Placement.SPAM
    is_rescued = in_spam and _is_rescued(session, entry)
    is_read = is_rescued or (not in_spam and placement is not Placement.TRASH)
    try:
        if is_rescued:
            session.gmail.modify_labels(message_id, add=("INBOX",), remove=("SPAM",))
        if is_read:
            session.label_message(message_id, remove=("UNREAD", "INBOX"))
    except NotFoundError:
        return False, False  # a person deleted it after it was found
    return is_rescued, is_read


def _is_rescued(session: MailboxSession, entry: Entry) -> bool:
    with autocommit(session.engine) as connection:
        return engagement.is_rescued(entry.token, rate=_load_schedule(connection, session, entry).rescue_rate)


def _record_collected(session: MailboxSession, entry: Entry, *, is_rescued: bool, is_read: bool) -> None:
    """Record that a reply was found, and decide whether and when it is answered in turn."""
    with autocommit(session.engine) as connection:
        ledger.update_entry(
            connection,
            entry.id,
            L.collected_at.is_(None),
            collected_at=ledger.NOW,
            rescued_at=ledger.NOW if is_rescued else None,
            reply_due_at=_schedule_next_turn(connection, session, entry) if is_read else None,
        )
    session.counts[MailEvent.COLLECTED] += 1


def _schedule_next_turn(connection: sa.Connection, session: MailboxSession, entry: Entry) -> datetime | None:
    """Return when a reply is answered, or None if its thread ends with it."""
    if entry.turn >= session.settings.thread_depth:
        return None
    if not engagement.continues_thread(entry.token, rate=_load_schedule(connection, session, entry).reply_rate):
        return None
    now = clock.get_current_time(connection)
    return session.find_next_session(now, engagement.delay_until_reply(entry.token))


def _load_schedule(connection: sa.Connection, session: MailboxSession, entry: Entry) -> Schedule:
    """Return the schedule of the mailbox that started the thread: it sends the odd turns and receives the even ones."""
    if entry.turn % 2 == 0:
        return session.schedule
    return find_schedule(repository.get_mailbox_by_id(connection, entry.sender_id), session.settings)


def _trash_old_mail(session: MailboxSession) -> None:
    """Move expired warmup mail to the trash: a bounded number per call, with one request."""
    with autocommit(session.engine) as connection:
        expired = retention.find_expired_mails(connection, session.mailbox.id)
    if not expired.message_ids:
        return
    session.extend_lease()
    session.gmail.trash_messages(expired.message_ids)
    _store_trashed(session, expired)
    session.counts[MailEvent.TRASHED] += len(expired.message_ids)


@retry_conflict
def _store_trashed(session: MailboxSession, expired: ExpiredMails) -> None:
    with write_transaction(session.engine) as connection:
        retention.record_trashed(connection, expired)
