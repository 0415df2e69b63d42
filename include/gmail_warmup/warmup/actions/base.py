"""What every action shares: its mailbox, held by one task at a time, and the sending of one mail."""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.db.intervals import seconds
from gmail_warmup.db.models import Mailbox, MailStatus
from gmail_warmup.errors import MailboxBusyError
from gmail_warmup.gmail import errors as gmail_errors
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.operations import GmailOperations
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.settings import Settings
from gmail_warmup.warmup import ledger
from gmail_warmup.warmup.content import Letter
from gmail_warmup.warmup.ledger import Entry

log = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(days=1)
"""How long a mail whose draft is gone is searched for before its slot counts as failed."""


@dataclass
class Desk:
    """One mailbox with what an action needs to work in it.

    Attributes:
        counts: what was done, for the log and the task's result.
    """

    engine: sa.Engine
    settings: Settings
    gmail: GmailOperations
    mailbox: MailboxRecord
    counts: Counter[str] = field(default_factory=Counter)

    def scaled(self, delay: timedelta) -> float:
        """Return a delay in seconds, shortened in a demonstration."""
        return delay.total_seconds() * self.settings.delay_scale

    def label(self) -> str:
        """Return the id of the label for warmup mail in this mailbox; asks Gmail once and remembers."""
        if self.mailbox.label_id:
            return self.mailbox.label_id
        label_id = self.gmail.ensure_label(self.settings.label)
        with self.engine.begin() as connection:
            connection.execute(sa.update(Mailbox).where(Mailbox.id == self.mailbox.id).values(label_id=label_id))
            self.mailbox = repository.get(connection, self.mailbox.address)
        return label_id


@contextmanager
def held(
    engine: sa.Engine, mailbox: MailboxRecord, settings: Settings, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Hold a mailbox, so that it never has two calls in flight.

    Raises:
        MailboxBusyError: if another task holds it for longer than ``mailbox_wait`` seconds.
    """
    holder = uuid.uuid4().hex
    deadline = time.monotonic() + settings.mailbox_wait
    while True:
        with engine.begin() as connection:
            if repository.take_lease(connection, mailbox.id, holder=holder, seconds=settings.mailbox_lease):
                break
        if time.monotonic() >= deadline:
            raise MailboxBusyError(f"{mailbox.address}: another task is working in this mailbox; it is tried again.")
        sleep(0.2)
    try:
        yield
    finally:
        with engine.begin() as connection:
            repository.release_lease(connection, mailbox.id, holder=holder)


def deliver(
    desk: Desk,
    entry: Entry,
    letter: Letter,
    recipient: MailboxRecord,
    *,
    answers: Entry | None = None,
    fresh: bool = False,
) -> bool:
    """Send the mail of a claimed row exactly once, from wherever an earlier try stopped; tell whether it went out.

    Args:
        answers: the mail that this one replies to.
        fresh: the row was claimed just now, so that no earlier try can have left a draft behind.

    The order is draft created, draft id stored, draft sent, recorded. Without a draft id nothing was sent. With one,
    sending is safe to repeat: Gmail sends a draft once and then does not know it any more.
    """
    if entry.draft_id is None:
        entry = _drafted(desk, entry, letter, recipient, answers, fresh)
    assert entry.draft_id
    try:
        message = desk.gmail.message(desk.gmail.send_draft(entry.draft_id))
    except gmail_errors.NotFoundError:
        found = desk.gmail.find_sent(recipient.address, entry.token)
        if found is None:
            return _lost(desk, entry)
        message = found
    with desk.engine.begin() as connection:
        ledger.update(
            connection,
            entry.id,
            status=MailStatus.SENT,
            sent_at=sa.func.now(),
            gmail_id=message.id,
            thread_id=message.thread_id,
            rfc_message_id=message.rfc_message_id,
            locate_due_at=sa.func.now() + seconds(desk.scaled(timedelta(seconds=desk.settings.locate_delay))),
        )
        ledger.tally(connection, entry, "sent")
        if answers:
            ledger.update(connection, answers.id, replied_at=sa.func.now())
            ledger.tally(connection, answers, "replied")
    desk.gmail.modify(message.id, add=(desk.label(),), remove=tuple(message.labels & {"INBOX"}))
    return True


def _drafted(
    desk: Desk, entry: Entry, letter: Letter, recipient: MailboxRecord, answers: Entry | None, fresh: bool
) -> Entry:
    """Store a draft at Gmail and its id in the row; a draft that an earlier try left behind is taken up."""
    own_id = mime.message_id(entry.token, desk.mailbox.address)
    mail = mime.Outgoing(
        sender=desk.mailbox.address,
        sender_name=desk.mailbox.display_name,
        recipient=recipient.address,
        recipient_name=recipient.display_name,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        message_id=own_id,
        headers={desk.settings.token_header: entry.token},
        in_reply_to=answers.rfc_message_id if answers else None,
        references=(answers.rfc_message_id,) if answers and answers.rfc_message_id else (),
    )
    left_behind = None if fresh else desk.gmail.find_draft(own_id)
    thread_id = answers.recipient_thread_id if answers else None
    draft = left_behind or desk.gmail.create_draft(mime.raw(mail), thread_id=thread_id)
    with desk.engine.begin() as connection:
        ledger.update(connection, entry.id, draft_id=draft.id, status=MailStatus.DRAFTED)
        return ledger.get(connection, entry.id)


def _lost(desk: Desk, entry: Entry) -> bool:
    """Handle a draft that is gone while no sent mail is found: the search lags, or a person deleted the draft.

    It is never sent again, since it may have gone out; the next run looks again, for a day.
    """
    with desk.engine.begin() as connection:
        now: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
        if now - entry.claimed_at > GIVE_UP_AFTER:
            ledger.update(connection, entry.id, status=MailStatus.FAILED, failure="draft_gone")
            ledger.tally(connection, entry, "failed")
            log.warning("%s: the draft of mail %s is gone and no sent mail was found", desk.mailbox.address, entry.id)
    desk.counts["unresolved"] += 1
    return False
