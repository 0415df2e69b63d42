"""Collect: find answers at whom they were sent to, and notices of mail systems; tidy up what is old."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmail_warmup.db import clock
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Placement
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.actions.bounces import process_bounces
from gmail_warmup.warmup.actions.find_mail import classify_placement, find_received_mail
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger import retention
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import engagement


def collect_replies(desk: MailboxSession) -> None:
    """Find the answers that are due, rescue those in spam, read, label and archive them; then notices and old mail."""
    with connect_autocommit(desk.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, desk.mailbox.id, ledger.UNCOLLECTED)
    for entry in desk.defer_at_night(entries, L.locate_due_at):
        _collect_reply(desk, entry)
    process_bounces(desk)
    _trash_old_mail(desk)


def _collect_reply(desk: MailboxSession, entry: Entry) -> None:
    placement, message_id = entry.placement, entry.recipient_gmail_id
    if placement is None or message_id is None:
        message = find_received_mail(desk, entry)
        if message is None:
            return
        placement, message_id = classify_placement(message.labels), message.id
        with connect_autocommit(desk.engine) as connection:
            ledger.update_entry(
                connection,
                entry.id,
                placement=placement,
                placed_at=ledger.NOW,
                recipient_gmail_id=message.id,
                recipient_thread_id=message.thread_id,
            )
    in_spam = placement is Placement.SPAM
    rescued = in_spam and engagement.is_rescued(entry.token, rate=desk.settings.rescue_rate)
    readable = rescued or (not in_spam and placement is not Placement.TRASH)
    try:
        if rescued:
            desk.gmail.modify_labels(message_id, add=("INBOX",), remove=("SPAM",))
        if readable:
            desk.label_message(message_id, remove=("UNREAD", "INBOX"))
    except NotFoundError:
        rescued = readable = False  # the person deleted it; it was found all the same
    _record_collected(desk, entry, rescued=rescued, readable=readable)


def _record_collected(desk: MailboxSession, entry: Entry, *, rescued: bool, readable: bool) -> None:
    """Record that an answer was found, and draw whether and when it is answered in turn."""
    values: dict[str, Any] = {
        "collected_at": ledger.NOW, "rescued_at": ledger.NOW if rescued else None, "reply_due_at": None,
    }  # fmt: skip
    further = readable and entry.turn < desk.settings.thread_depth
    with connect_autocommit(desk.engine) as connection:
        if further and engagement.continues_thread(entry.token, rate=_get_reply_rate(connection, desk, entry)):
            answer_at = clock.get_current_time(connection) + desk.scale_delay(engagement.delay_until_reply(entry.token))
            values["reply_due_at"] = desk.next_waking_time(answer_at, entry.token)
        ledger.update_entry(connection, entry.id, ledger.NOT_COLLECTED, **values)
    desk.counts["collected"] += 1


def _get_reply_rate(connection: sa.Connection, desk: MailboxSession, entry: Entry) -> int:
    """Return the rate of the mailbox that began the thread: it receives the even turns and sends the odd ones."""
    if entry.turn % 2 == 0:
        return desk.mailbox.reply_rate
    return repository.get_mailbox_by_id(connection, entry.sender_id).reply_rate


def _trash_old_mail(desk: MailboxSession) -> None:
    """Move warmup mail that is old enough to the trash, a bounded number at once, with one call."""
    with connect_autocommit(desk.engine) as connection:
        old = retention.find_expired_mails(connection, desk.mailbox.id)
    if not old.message_ids:
        return
    desk.gmail.trash_messages(old.message_ids)
    with desk.engine.begin() as connection:
        retention.record_trashed(connection, old)
    desk.counts["trashed"] += len(old.message_ids)
