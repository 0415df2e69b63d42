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
from gmail_warmup.core.log_context import log_event, reason_code
from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import Mailbox, MailStatus
from gmail_warmup.gmail import errors as gmail_errors
from gmail_warmup.gmail import mime
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.gmail.models import Message
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.mailbox_lease import MailboxWithBlockers
from gmail_warmup.warmup.content.compose import MailContext, MailText
from gmail_warmup.warmup.content.generators import MailWriter
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.warmup.ledger import bounces
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import engagement

log = logging.getLogger(__name__)

_STORE_LABEL = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.bindparam("mailbox"))
    .values(label_id=sa.bindparam("label"), label_name=sa.bindparam("name"))
)

DRAFT_SEARCH_PERIOD = timedelta(days=1)
"""How long a mail whose draft is gone is searched for before its slot counts as failed."""


@dataclass
class MailboxSession:
    """One mailbox with what an action needs to work in it.

    Attributes:
        holder: under which this task holds the mailbox.
        counts: what was done, for the log and the task's result.
    """

    engine: sa.Engine
    settings: Settings
    gmail: GmailClient
    mailbox: MailboxRecord
    writer: MailWriter
    holder: str
    counts: Counter[str] = field(default_factory=Counter)

    def extend_lease(self) -> None:
        """Hold the mailbox for longer; asked before each claim, draft and send.

        Raises:
            StoppedError: everything was stopped.
            MailboxBusyError: this task stood still for so long that another one may hold the mailbox now.
        """
        with connect_autocommit(self.engine) as connection:
            self.extend_lease_in(connection)

    def extend_lease_in(self, connection: sa.Connection) -> None:
        """Do the same within a transaction, and lock the mailbox's row."""
        mailbox_lease.extend_lease(connection, self.mailbox, holder=self.holder, seconds=self.settings.mailbox_lease)

    def scale_delay(self, delay: timedelta) -> timedelta:
        """Return a delay, shortened in a demonstration."""
        return delay * self.settings.delay_scale

    def next_waking_time(self, when: datetime, seed: str) -> datetime:
        """Return a time as it is by this mailbox's day; one in the night is put off to the morning."""
        return engagement.shift_out_of_night(when, zone=self.mailbox.zone, night=self.settings.night_hours, seed=seed)

    def defer_at_night(
        self, entries: Sequence[Entry], column: InstrumentedAttribute[datetime | None]
    ) -> Sequence[Entry]:
        """Return the rows to work on now: all of them by day, none in the night, which puts them off.

        Args:
            column: the due time by which they are due.
        """
        if not entries or self.next_waking_time(now := entries[0].seen_at, "") == now:
            return entries
        with self.engine.begin() as connection:
            for entry in entries:
                ledger.update_entry(connection, entry.id, **{column.key: self.next_waking_time(now, entry.token)})
        return ()

    def label_message(self, message_id: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Change a message's labels and put the label for warmup mail on it.

        A label that the person deleted is made again.
        """
        try:
            self.gmail.modify_labels(message_id, add=(self._ensure_label_id(), *add), remove=remove)
        except gmail_errors.BadGmailRequestError:
            known, self.mailbox = self.mailbox.label_id, replace(self.mailbox, label_id=None)
            if self._ensure_label_id() == known:
                raise
            self.gmail.modify_labels(message_id, add=(self._ensure_label_id(), *add), remove=remove)

    def _ensure_label_id(self) -> str:
        """Return the id of the label in this mailbox; asks Gmail once and remembers."""
        name = self.settings.gmail_label
        if self.mailbox.label_id and self.mailbox.label_name == name:
            return self.mailbox.label_id
        label_id = self.gmail.ensure_label(name)
        with self.engine.begin() as connection:
            connection.execute(_STORE_LABEL, {"mailbox": self.mailbox.id, "label": label_id, "name": name})
        self.mailbox = replace(self.mailbox, label_id=label_id, label_name=name)
        return label_id


def build_mail_context(
    mailbox: MailboxRecord, partner: MailboxRecord, *, kind: MailKind, seed: str, thread: str, subject: str = ""
) -> MailContext:
    """Return what is known of a mail from one mailbox to another before its words."""
    return MailContext(
        kind=kind,
        seed=seed,
        thread_seed=thread,
        sender_name=resolve_display_name(mailbox),
        recipient_name=resolve_display_name(partner),
        signature=mailbox.signature or "",
        subject=subject,
    )


def resolve_display_name(mailbox: MailboxRecord) -> str:
    """Return the name for salutation and signature: the display name, else one made of the address."""
    return mailbox.display_name or mailbox.address.partition("@")[0].replace(".", " ").replace("_", " ").title()


@contextmanager
def lease_mailbox(
    engine: sa.Engine, mailbox: MailboxRecord, settings: Settings, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[str, MailboxWithBlockers]]:
    """Hold a mailbox, so that it never has two calls in flight; yield the holder's name and a look at the mailbox.

    Raises:
        MailboxBusyError: if another task holds it for longer than ``mailbox_wait`` seconds.
    """
    holder = uuid.uuid4().hex
    deadline = time.monotonic() + settings.mailbox_wait
    while True:
        with connect_autocommit(engine) as connection:
            seen = mailbox_lease.acquire_lease(connection, mailbox.id, holder=holder, seconds=settings.mailbox_lease)
        if seen:
            break
        if time.monotonic() >= deadline:
            raise MailboxBusyError(f"{mailbox.address}: another task is working in this mailbox; it is tried again.")
        sleep(0.2)
    try:
        yield holder, seen
    finally:
        with connect_autocommit(engine) as connection:
            repository.release_lease(connection, mailbox.id, holder=holder)


def deliver_mail(
    desk: MailboxSession,
    entry: Entry,
    letter: MailText,
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
    desk.extend_lease()
    if entry.draft_id is None:
        entry = _ensure_draft(desk, entry, letter, recipient, thread, fresh)
        desk.extend_lease()
    assert entry.draft_id
    try:
        message_id = desk.gmail.send_draft(entry.draft_id)
    except gmail_errors.NotFoundError:
        message_id = ""  # it went out before
    message = _find_sent_message(desk, entry, recipient, message_id)
    if message is None:
        return _handle_missing_draft(desk, entry)
    try:
        # Before it is recorded: what is recorded is never looked at again, and no sent copy must stay in sight.
        desk.label_message(message.id, remove=tuple(message.labels & {"INBOX"}))
    except gmail_errors.NotFoundError:
        pass  # the person deleted it; it was sent all the same
    except gmail_errors.BadGmailRequestError as error:
        # Refused for good, and no later try can mend it; that the mail went out is true all the same.
        text = (
            "%s: Gmail refuses to file a sent mail under the label '%s' [%s]; check AIRFLOW__GMAIL_WARMUP__GMAIL_LABEL"
        )
        address, code = desk.mailbox.address, reason_code(error)
        log_event(log, logging.WARNING, text, address, desk.settings.gmail_label, code, reason_code=code)
    _record_sent(desk, entry, message, thread)
    return True


def _find_sent_message(desk: MailboxSession, entry: Entry, recipient: MailboxRecord, message_id: str) -> Message | None:
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
                return desk.gmail.get_message(message_id)
            except gmail_errors.NotFoundError:
                pass
        return desk.gmail.find_sent(recipient.address, entry.token)
    except gmail_errors.BadGmailRequestError as error:
        raise gmail_errors.GmailUnavailableError(error.address, status=error.status, reason=error.reason) from None


def _record_sent(desk: MailboxSession, entry: Entry, message: Message, thread: Sequence[Entry]) -> None:
    days = desk.settings.retention_days
    with desk.engine.begin() as connection:
        newly = ledger.update_entry(
            connection,
            entry.id,
            ledger.NOT_SENT,
            status=MailStatus.SENT,
            sent_at=ledger.NOW,
            gmail_id=message.id,
            thread_id=message.thread_id,
            rfc_message_id=message.rfc_message_id,
            locate_due_at=desk.scale_delay(timedelta(seconds=desk.settings.locate_delay)),
            trash_due_at=timedelta(days=days) if days else None,
        )
        if not newly:
            return
        # Rows of two mailboxes are locked as a claim does it: first who began the thread, then whom it was written to.
        if thread:
            ledger.update_entry(connection, thread[-1].id, replied_at=ledger.NOW)
            ledger.count_outcome(connection, thread[-1], "replied")
        bounces.schedule_bounce_search(
            connection, desk.mailbox.id, message.history_id, within=desk.scale_delay(bounces.FIRST_SEARCH_DELAY)
        )
        if not thread:
            ledger.count_outcome(connection, entry, "sent", locked=True)


def _ensure_draft(
    desk: MailboxSession, entry: Entry, letter: MailText, recipient: MailboxRecord, thread: Sequence[Entry], fresh: bool
) -> Entry:
    """Store a draft at Gmail and its id in the row; a draft that an earlier try left behind is taken up."""
    own_id = mime.make_message_id(entry.token, desk.mailbox.address)
    references = tuple(mail.rfc_message_id for mail in thread if mail.rfc_message_id)
    mail = mime.OutgoingMail(
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
    draft = left_behind or desk.gmail.create_draft(mime.encode_message(mail), thread_id=thread_id)
    with connect_autocommit(desk.engine) as connection:
        drafted = ledger.store_draft(connection, entry.id, draft.id)
        if drafted is None:
            entry = ledger.get_entry(connection, entry.id)
    if drafted is None:
        if entry.draft_id != draft.id:
            desk.gmail.delete_draft(draft.id)
        raise MailboxBusyError(f"{desk.mailbox.address}: another task goes on with this mail.")
    return drafted


def _handle_missing_draft(desk: MailboxSession, entry: Entry) -> bool:
    """Handle a draft that is gone while no sent mail is found: the search lags, or a person deleted the draft.

    It is never sent again, since it may have gone out; the next run looks again, for a day.
    """
    desk.counts["unresolved"] += 1
    with desk.engine.begin() as connection:
        now = clock.get_current_time(connection)
        if now - entry.claimed_at <= DRAFT_SEARCH_PERIOD:
            return False
        if ledger.update_entry(connection, entry.id, ledger.UNSENT, status=MailStatus.FAILED, failure="draft_gone"):
            ledger.count_outcome(connection, entry, "failed")
            text = "%s: the draft of mail %s is gone and no sent mail was found [draft_gone]"
            log_event(log, logging.WARNING, text, desk.mailbox.address, entry.id, reason_code="draft_gone")
    return False
