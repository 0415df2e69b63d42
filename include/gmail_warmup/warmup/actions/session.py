"""What every action shares: its mailbox, held by one task at a time, and the sending of one mail."""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from gmail_warmup.core.errors import MailboxBusyError
from gmail_warmup.core.log_context import code_of, event
from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.db.engine import by_itself
from gmail_warmup.db.models import Mailbox, MailStatus
from gmail_warmup.gmail import errors as gmail_errors
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.client import GmailOperations
from gmail_warmup.gmail.models import Message
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.mailbox_lease import Look
from gmail_warmup.warmup.content.compose import Brief, Letter
from gmail_warmup.warmup.content.generators import Writer
from gmail_warmup.warmup.content.templates import Kind
from gmail_warmup.warmup.ledger import bounces
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import engagement

log = logging.getLogger(__name__)

_LABELLED = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.bindparam("mailbox"))
    .values(label_id=sa.bindparam("label"), label_name=sa.bindparam("name"))
)

GIVE_UP_AFTER = timedelta(days=1)
"""How long a mail whose draft is gone is searched for before its slot counts as failed."""


@dataclass
class Desk:
    """One mailbox with what an action needs to work in it.

    Attributes:
        holder: under which this task holds the mailbox.
        counts: what was done, for the log and the task's result.
    """

    engine: sa.Engine
    settings: Settings
    gmail: GmailOperations
    mailbox: MailboxRecord
    writer: Writer
    holder: str
    counts: Counter[str] = field(default_factory=Counter)

    def go_on(self) -> None:
        """Hold the mailbox for longer; asked before each claim, draft and send.

        Raises:
            StoppedError: everything was stopped.
            MailboxBusyError: this task stood still for so long that another one may hold the mailbox now.
        """
        with by_itself(self.engine) as connection:
            self.still_held(connection)

    def still_held(self, connection: sa.Connection) -> None:
        """Do the same within a transaction, and lock the mailbox's row."""
        mailbox_lease.keep(connection, self.mailbox, holder=self.holder, seconds=self.settings.mailbox_lease)

    def scaled(self, delay: timedelta) -> timedelta:
        """Return a delay, shortened in a demonstration."""
        return delay * self.settings.delay_scale

    def awake(self, when: datetime, seed: str) -> datetime:
        """Return a time as it is by this mailbox's day; one in the night is put off to the morning."""
        return engagement.awake(when, zone=self.mailbox.zone, night=self.settings.night, seed=seed)

    def by_day(self, entries: Sequence[Entry], column: InstrumentedAttribute[datetime | None]) -> Sequence[Entry]:
        """Return the rows to work on now: all of them by day, none in the night, which puts them off.

        Args:
            column: the due time by which they are due.
        """
        if not entries or self.awake(now := entries[0].seen_at, "") == now:
            return entries
        with self.engine.begin() as connection:
            for entry in entries:
                ledger.update(connection, entry.id, **{column.key: self.awake(now, entry.token)})
        return ()

    def file(self, message_id: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Change a message's labels and put the label for warmup mail on it.

        A label that the person deleted is made again.
        """
        try:
            self.gmail.modify(message_id, add=(self._label(), *add), remove=remove)
        except gmail_errors.BadGmailRequestError:
            known, self.mailbox = self.mailbox.label_id, replace(self.mailbox, label_id=None)
            if self._label() == known:
                raise
            self.gmail.modify(message_id, add=(self._label(), *add), remove=remove)

    def _label(self) -> str:
        """Return the id of the label in this mailbox; asks Gmail once and remembers."""
        name = self.settings.label
        if self.mailbox.label_id and self.mailbox.label_name == name:
            return self.mailbox.label_id
        label_id = self.gmail.ensure_label(name)
        with self.engine.begin() as connection:
            connection.execute(_LABELLED, {"mailbox": self.mailbox.id, "label": label_id, "name": name})
        self.mailbox = replace(self.mailbox, label_id=label_id, label_name=name)
        return label_id


def brief_of(
    mailbox: MailboxRecord, partner: MailboxRecord, *, kind: Kind, seed: str, thread: str, subject: str = ""
) -> Brief:
    """Return what is known of a mail from one mailbox to another before its words."""
    return Brief(
        kind=kind,
        seed=seed,
        thread=thread,
        sender_name=name_of(mailbox),
        recipient_name=name_of(partner),
        signature=mailbox.signature or "",
        subject=subject,
    )


def name_of(mailbox: MailboxRecord) -> str:
    """Return the name for salutation and signature: the display name, else one made of the address."""
    return mailbox.display_name or mailbox.address.partition("@")[0].replace(".", " ").replace("_", " ").title()


@contextmanager
def held(
    engine: sa.Engine, mailbox: MailboxRecord, settings: Settings, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[str, Look]]:
    """Hold a mailbox, so that it never has two calls in flight; yield the holder's name and a look at the mailbox.

    Raises:
        MailboxBusyError: if another task holds it for longer than ``mailbox_wait`` seconds.
    """
    holder = uuid.uuid4().hex
    deadline = time.monotonic() + settings.mailbox_wait
    while True:
        with by_itself(engine) as connection:
            seen = mailbox_lease.take(connection, mailbox.id, holder=holder, seconds=settings.mailbox_lease)
        if seen:
            break
        if time.monotonic() >= deadline:
            raise MailboxBusyError(f"{mailbox.address}: another task is working in this mailbox; it is tried again.")
        sleep(0.2)
    try:
        yield holder, seen
    finally:
        with by_itself(engine) as connection:
            repository.release_lease(connection, mailbox.id, holder=holder)


def deliver(
    desk: Desk,
    entry: Entry,
    letter: Letter,
    recipient: MailboxRecord,
    *,
    thread: Sequence[Entry] = (),
    fresh: bool = False,
) -> bool:
    """Send the mail of a claimed row exactly once, from wherever an earlier try stopped; tell whether it went out.

    Args:
        thread: the mails before it, the first one first; it answers the last one.
        fresh: the row was claimed just now, so that no earlier try can have left a draft behind.

    The order is draft created, draft id stored, draft sent, filed, recorded. Without a draft id nothing was sent. With
    one, sending is safe to repeat: Gmail sends a draft once and then does not know it any more. A task that stood still
    between two steps, for longer than it holds the mailbox, finds that out before the next one.

    Raises:
        StoppedError: everything was stopped.
        MailboxBusyError: another task holds the mailbox now, and goes on with this mail.
    """
    desk.go_on()
    if entry.draft_id is None:
        entry = _drafted(desk, entry, letter, recipient, thread, fresh)
        desk.go_on()
    assert entry.draft_id
    try:
        message_id = desk.gmail.send_draft(entry.draft_id)
    except gmail_errors.NotFoundError:
        message_id = ""  # it went out before
    message = _read_back(desk, entry, recipient, message_id)
    if message is None:
        return _lost(desk, entry)
    try:
        # Before it is recorded: what is recorded is never looked at again, and no sent copy must stay in sight.
        desk.file(message.id, remove=tuple(message.labels & {"INBOX"}))
    except gmail_errors.NotFoundError:
        pass  # the person deleted it; it was sent all the same
    except gmail_errors.BadGmailRequestError as error:
        # Refused for good, and no later try can mend it; that the mail went out is true all the same.
        text = "%s: Gmail refuses to file a sent mail under the label '%s' [%s]; check AIRFLOW__GMAIL_WARMUP__LABEL"
        address, code = desk.mailbox.address, code_of(error)
        event(log, logging.WARNING, text, address, desk.settings.label, code, reason_code=code)
    _record(desk, entry, message, thread)
    return True


def _read_back(desk: Desk, entry: Entry, recipient: MailboxRecord, message_id: str) -> Message | None:
    """Return the mail that went out, or None where it is not found.

    Args:
        message_id: empty where an earlier try sent it.

    Raises:
        GmailUnavailableError: also where Gmail refuses to show it for good. It went out, so that nothing here may count
            as a refusal of the mail; the next try looks again.
    """
    try:
        if message_id:
            try:
                return desk.gmail.message(message_id)
            except gmail_errors.NotFoundError:
                pass
        return desk.gmail.find_sent(recipient.address, entry.token)
    except gmail_errors.BadGmailRequestError as error:
        raise gmail_errors.GmailUnavailableError(error.address, status=error.status, reason=error.reason) from None


def _record(desk: Desk, entry: Entry, message: Message, thread: Sequence[Entry]) -> None:
    days = desk.settings.retention_days
    with desk.engine.begin() as connection:
        newly = ledger.update(
            connection,
            entry.id,
            ledger.NOT_SENT,
            status=MailStatus.SENT,
            sent_at=ledger.NOW,
            gmail_id=message.id,
            thread_id=message.thread_id,
            rfc_message_id=message.rfc_message_id,
            locate_due_at=desk.scaled(timedelta(seconds=desk.settings.locate_delay)),
            trash_due_at=timedelta(days=days) if days else None,
        )
        if not newly:
            return
        # Rows of two mailboxes are locked as a claim does it: first who began the thread, then whom it was written to.
        if thread:
            ledger.update(connection, thread[-1].id, replied_at=ledger.NOW)
            ledger.tally(connection, thread[-1], "replied")
        bounces.expect(connection, desk.mailbox.id, message.history_id, within=desk.scaled(bounces.FIRST_LOOK))
        if not thread:
            ledger.tally(connection, entry, "sent", locked=True)


def _drafted(
    desk: Desk, entry: Entry, letter: Letter, recipient: MailboxRecord, thread: Sequence[Entry], fresh: bool
) -> Entry:
    """Store a draft at Gmail and its id in the row; a draft that an earlier try left behind is taken up."""
    own_id = mime.message_id(entry.token, desk.mailbox.address)
    references = tuple(mail.rfc_message_id for mail in thread if mail.rfc_message_id)
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
        in_reply_to=references[-1] if references else None,
        references=references,
    )
    left_behind = None if fresh else desk.gmail.find_draft(own_id)
    # Each side has a thread id of its own: the answered mail's is the one under which this mailbox received it.
    thread_id = thread[-1].recipient_thread_id if thread else None
    draft = left_behind or desk.gmail.create_draft(mime.raw(mail), thread_id=thread_id)
    with by_itself(desk.engine) as connection:
        drafted = ledger.put_draft(connection, entry.id, draft.id)
        if drafted is None:
            entry = ledger.get(connection, entry.id)
    if drafted is None:
        if entry.draft_id != draft.id:
            desk.gmail.delete_draft(draft.id)
        raise MailboxBusyError(f"{desk.mailbox.address}: another task goes on with this mail.")
    return drafted


def _lost(desk: Desk, entry: Entry) -> bool:
    """Handle a draft that is gone while no sent mail is found: the search lags, or a person deleted the draft.

    It is never sent again, since it may have gone out; the next run looks again, for a day.
    """
    desk.counts["unresolved"] += 1
    with desk.engine.begin() as connection:
        now = clock.now(connection)
        if now - entry.claimed_at <= GIVE_UP_AFTER:
            return False
        if ledger.update(connection, entry.id, ledger.UNSENT, status=MailStatus.FAILED, failure="draft_gone"):
            ledger.tally(connection, entry, "failed")
            text = "%s: the draft of mail %s is gone and no sent mail was found [draft_gone]"
            event(log, logging.WARNING, text, desk.mailbox.address, entry.id, reason_code="draft_gone")
    return False
