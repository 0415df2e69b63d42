"""Rescue: read where Gmail put the mails that came, and move warmup mail out of spam."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Placement
from gmail_warmup.gmail.errors import NotFoundError
from gmail_warmup.gmail.models import Message
from gmail_warmup.warmup.actions.find_mail import classify_placement, find_received_mail
from gmail_warmup.warmup.actions.read import mark_mails
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import engagement


def rescue_mails(desk: MailboxSession) -> None:
    """Read the placement of every mail that is due, draw what follows, then rescue what lies in spam."""
    with connect_autocommit(desk.engine) as connection:
        entries = ledger.find_pending_for_recipient(connection, desk.mailbox.id, ledger.UNPLACED)
    for entry in entries:
        message = find_received_mail(desk, entry)
        if message is not None:
            _record_placement(desk, entry, message)
    with connect_autocommit(desk.engine) as connection:
        in_spam = ledger.find_pending_for_recipient(connection, desk.mailbox.id, ledger.UNRESCUED)
    for entry in desk.defer_at_night(in_spam, L.rescue_due_at):
        _rescue_mail(desk, entry)
    mark_mails(desk)


def _record_placement(desk: MailboxSession, entry: Entry, message: Message) -> None:
    """Record the placement together with everything that is drawn from it, in one transaction."""
    placement = classify_placement(message.labels)
    with desk.engine.begin() as connection:
        sender = ledger.load_rate_state(connection, entry.sender_id)
        chosen = engagement.is_next_selected(rate=sender.open_rate, done=sender.opened, total=sender.placed)
        drawn = _schedule_recipient_actions(desk, entry, placement, sender.now, opened=chosen)
        newly = ledger.update_entry(
            connection,
            entry.id,
            ledger.NOT_PLACED,
            placement=placement,
            placed_at=ledger.NOW,
            recipient_gmail_id=message.id,
            recipient_thread_id=message.thread_id,
            **drawn,
        )
        if newly:
            ledger.record_rate_decision(connection, entry, placed=1, opened=int(drawn["read_due_at"] is not None))
            ledger.count_outcome(connection, entry, ledger.get_placement_counter(placement), locked=True)
    desk.counts[f"placed_{placement.value}"] += 1


def _schedule_recipient_actions(
    desk: MailboxSession, entry: Entry, placement: Placement, now: datetime, *, opened: bool
) -> dict[str, Any]:
    """Return the due times of what the recipient does: what is not rescued or lies in the trash is left alone.

    What nobody opens leaves the inbox at once.
    """
    due: dict[str, Any] = dict.fromkeys(("rescue_due_at", "read_due_at", "mark_due_at"))
    if placement is Placement.SPAM:
        if not engagement.is_rescued(entry.token, rate=desk.settings.rescue_rate):
            return due
        due["rescue_due_at"] = desk.next_waking_time(now, entry.token)
    if placement is not Placement.TRASH and opened:
        read_at = (due["rescue_due_at"] or now) + desk.scale_delay(engagement.delay_until_read(entry.token))
        due["read_due_at"] = desk.next_waking_time(read_at, entry.token)
    elif placement not in (Placement.TRASH, Placement.SPAM):
        due["mark_due_at"] = now
    return due


def _rescue_mail(desk: MailboxSession, entry: Entry) -> None:
    assert entry.recipient_gmail_id
    try:
        desk.label_message(entry.recipient_gmail_id, add=("INBOX",), remove=("SPAM",))
        done: dict[str, Any] = {"rescued_at": ledger.NOW}
        if entry.read_due_at is None:
            done["mark_due_at"] = ledger.NOW  # nobody opens it, so it leaves the inbox again
    except NotFoundError:
        # The person deleted it: there is nothing left to rescue, read or answer.
        done = {"rescue_due_at": None, "read_due_at": None}
    with desk.engine.begin() as connection:
        newly = ledger.update_entry(connection, entry.id, ledger.NOT_RESCUED, **done)
        if newly and "rescued_at" in done:
            ledger.count_outcome(connection, entry, "rescued")
            desk.counts["rescued"] += 1
        elif newly and entry.read_due_at is not None:
            ledger.record_rate_decision(connection, entry, opened=-1)
