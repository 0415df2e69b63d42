"""Mails that are not delivered: refused by Gmail, withdrawn, or without a draft; the row ends as ``failed``."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import MailStatus
from gmail_warmup.warmup.actions.earlier_attempt import STRAY_DRAFT_DELAY, DraftChangedError, find_earlier_draft
from gmail_warmup.warmup.actions.outgoing import Delivery
from gmail_warmup.warmup.actions.session import MailboxSession
from gmail_warmup.warmup.ledger import daily_counters, rate_decisions
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.daily_counters import Outcome

log = logging.getLogger(__name__)

DRAFT_SEARCH_PERIOD = timedelta(days=1)
"""For how long a mail whose draft is gone is searched for before it counts as failed."""


_UNDELIVERABLE = {
    "draft_changed": "a person has edited the draft of mail %s; it is neither sent nor deleted",
    "unbuildable": "mail %s cannot be built from what is stored about it and its two mailboxes",
    "thread_gone": "a person has deleted the thread that mail %s answers",
}
_REFUSED = "Gmail refuses mail %s for good"


def fail_mail(session: MailboxSession, mail: Delivery, failure: str) -> MailEvent:
    """Give up a mail that cannot be delivered.

    Args:
        failure: the reason code; that of Gmail, if Gmail refused the mail.
    """
    if _mark_failed(session, mail, failure):
        _log_failure(session, mail, failure)
    return MailEvent.REFUSED


def leave_unresolved(session: MailboxSession, mail: Delivery) -> MailEvent:
    """Leave a mail whose draft is gone, and whose sent copy is not found, for the next call; give it up after a day.

    Gmail's search lags behind, or a person deleted the draft. The mail may have been sent, so it is not sent again.
    """
    entry = mail.entry
    is_overdue = entry.seen_at - entry.claimed_at > DRAFT_SEARCH_PERIOD
    if is_overdue and _mark_failed(session, mail, "draft_gone"):
        text = "%s: the draft of mail %s is gone and no sent mail was found [draft_gone]"
        log_event(log, logging.WARNING, text, session.mailbox.address, entry.id, reason_code="draft_gone")
    return MailEvent.UNRESOLVED


def withdraw_mail(session: MailboxSession, mail: Delivery) -> None:
    """Give up a mail that was not sent on its day: sending it now would exceed today's volume.

    The row is closed before the draft is deleted, so no other call sends the draft in between.
    """
    session.extend_lease()
    _mark_failed(session, mail, "day_over")
    try:
        if draft_id := find_earlier_draft(session, mail):
            session.gmail.delete_draft(draft_id)
    except DraftChangedError:
        _log_failure(session, mail, "draft_changed")
    text = "%s: a mail of %s was not sent on its day and is withdrawn [day_over]"
    log_event(log, logging.INFO, text, session.mailbox.address, mail.entry.local_date, reason_code="day_over")
    session.counts[MailEvent.WITHDRAWN] += 1


def _log_failure(session: MailboxSession, mail: Delivery, failure: str) -> None:
    text = f"%s: {_UNDELIVERABLE.get(failure, _REFUSED)} [%s]"
    log_event(log, logging.WARNING, text, session.mailbox.address, mail.entry.id, failure, reason_code=failure)


@retry_conflict
def _mark_failed(session: MailboxSession, mail: Delivery, failure: str) -> bool:
    """Close the row of an unsent mail and return whether it was open; the mail that it answers gets no reply."""
    values: dict[str, Any] = {"status": MailStatus.FAILED, "failure": failure}
    if mail.entry.draft_id or not mail.is_new:
        values["stray_draft_due_at"] = session.scale_delay(STRAY_DRAFT_DELAY)
    with write_transaction(session.engine) as connection:
        daily_counters.lock_sender(connection, (mail.answered or mail.entry).sender_id)
        if not ledger.update_entry(connection, mail.entry.id, ledger.UNSENT, **values):
            return False
        daily_counters.count_outcome(connection, mail.entry, Outcome.FAILED)
        if (answered := mail.answered) and ledger.update_entry(
            connection, answered.id, L.reply_due_at.is_not(None), reply_due_at=None
        ):
            rate_decisions.record_rate_decision(connection, answered, answered=-1)
    return True
