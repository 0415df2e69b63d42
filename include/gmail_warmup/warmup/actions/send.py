"""Send: claim the slots that are due, and send one mail for each."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.log_context import log_event, reason_code
from gmail_warmup.db import clock
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import Mailbox, MailboxKind, MailStatus
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.errors import BadGmailRequestError, SendingLimitError
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import sending_limit
from gmail_warmup.warmup.actions.claim import claim_next_slot
from gmail_warmup.warmup.actions.session import MailboxSession, build_mail_context, deliver_mail
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import daily_plan

log = logging.getLogger(__name__)

_DAY = timedelta(days=1)


def send_due_mails(desk: MailboxSession) -> None:
    """Finish mails that an earlier task began, then send what is due; a pool mailbox sends nothing of itself."""
    if desk.mailbox.kind is not MailboxKind.WARMUP:
        return
    with connect_autocommit(desk.engine) as connection:
        begun = ledger.find_unsent_of_sender(connection, desk.mailbox.id)
    for entry in begun:
        _finish_mail(desk, entry)
    sending_limit.enforce_sending_limit(desk)
    while (claimed := claim_next_slot(desk)) is not None:
        _send_mail(desk, claimed.entry, claimed.recipient, fresh=True)
        if daily_plan.get_min_gap(desk.settings):
            return  # nothing more is due before the gap is over
        sending_limit.enforce_sending_limit(desk)


def _finish_mail(desk: MailboxSession, entry: Entry) -> None:
    """Send a mail that an earlier task began, in the hours of its own day; on a later day it is withdrawn.

    One whose draft is gone was sent, whenever that was, and is recorded.
    """
    now = _read_current_time(desk)
    later_day = entry.local_date < now.astimezone(desk.mailbox.zone).date()
    in_hours = daily_plan.is_sending_time(desk.mailbox.zone, now=now, settings=desk.settings)
    if (in_hours and not later_day) or (entry.draft_id and not desk.gmail.draft_exists(entry.draft_id)):
        with connect_autocommit(desk.engine) as connection:
            recipient = repository.get_mailbox_by_id(connection, entry.recipient_id)
        _send_mail(desk, entry, recipient, fresh=False)
    elif later_day:
        _withdraw_mail(desk, entry)


def _withdraw_mail(desk: MailboxSession, entry: Entry) -> None:
    """Give up a mail that was not sent on its day: sending it now would be one more than today's volume."""
    desk.extend_lease()
    _mark_failed(desk, entry, "day_over")
    draft = desk.gmail.find_draft(mime.make_message_id(entry.token, desk.mailbox.address))
    if draft_id := entry.draft_id or (draft.id if draft else None):
        desk.gmail.delete_draft(draft_id)
    text = "%s: a mail of %s was not sent on its day and is withdrawn [day_over]"
    log_event(log, logging.INFO, text, desk.mailbox.address, entry.local_date, reason_code="day_over")


def _send_mail(desk: MailboxSession, entry: Entry, recipient: MailboxRecord, *, fresh: bool) -> None:
    brief = build_mail_context(desk.mailbox, recipient, kind=MailKind.FIRST, seed=entry.token, thread=entry.token)
    try:
        if deliver_mail(desk, entry, desk.writer.write_mail(brief), recipient, fresh=fresh):
            desk.counts["sent"] += 1
    except BadGmailRequestError as error:
        _mark_failed(desk, entry, error.reason or "refused")
        text, code = "%s: Gmail refuses mail %s for good [%s]", reason_code(error)
        log_event(log, logging.WARNING, text, desk.mailbox.address, entry.id, code, reason_code=code)
    except SendingLimitError:
        defer_mailbox(desk, "sending_limit")
        raise


def _mark_failed(desk: MailboxSession, entry: Entry, failure: str) -> None:
    with desk.engine.begin() as connection:
        if ledger.update_entry(connection, entry.id, ledger.UNSENT, status=MailStatus.FAILED, failure=failure):
            ledger.count_outcome(connection, entry, "failed")
    desk.counts["withdrawn" if failure == "day_over" else "refused"] += 1


def defer_mailbox(desk: MailboxSession, reason: str) -> None:
    """Leave the mailbox alone until its next local day; on its next sending day it sends half."""
    local = _read_current_time(desk).astimezone(desk.mailbox.zone)
    tomorrow = (local + _DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    values: dict[str, Any] = {"deferred_until": tomorrow, "deferred_reason": reason, "next_send_at": None}
    values["half_volume_on"] = daily_plan.find_next_sending_day(desk.mailbox, now=local, settings=desk.settings)
    with desk.engine.begin() as connection:
        connection.execute(sa.update(Mailbox).where(Mailbox.id == desk.mailbox.id).values(values))
        ledger.record_reduction(connection, desk.mailbox.id, local.date(), reason)


def _read_current_time(desk: MailboxSession) -> datetime:
    with connect_autocommit(desk.engine) as connection:
        now = clock.get_current_time(connection)
    return now
