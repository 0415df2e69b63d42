"""The mailbox session of an action: one mailbox, leased by one task at a time, with everything the task needs."""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import InstrumentedAttribute

from gmail_warmup.core.enums import Action, BounceKind, Placement
from gmail_warmup.core.errors import MailboxBusyError
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.metrics import MailEvent
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import autocommit, write_transaction
from gmail_warmup.db.models import Mailbox
from gmail_warmup.db.rows import WRITE_ERRORS, describe_error
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.gmail.errors import BadGmailRequestError, GmailError
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.mailbox_lease import MailboxWithBlockers
from gmail_warmup.warmup.content.generators import MailWriter
from gmail_warmup.warmup.content.template_library import NoTemplatesError
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.ledger.entries import Entry
from gmail_warmup.warmup.planning import sessions
from gmail_warmup.warmup.planning.schedules import Schedule, resolve_schedule

log = logging.getLogger(__name__)

_Item = TypeVar("_Item")
_STORE_LABEL = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.bindparam("mailbox"))
    .values(label_id=sa.bindparam("label"), label_name=sa.bindparam("name"))
)


@dataclass
class MailboxSession:
    """One leased mailbox and what an action uses in it.

    Attributes:
        holder: the lease holder's name.
        action: decides what blocks the task: see ``extend_lease``.
        counts: what happened to mails.
        placements: where first mails were found.
        bounces: why mails were not delivered.
        refusals: the errors because of which Gmail refused mails for good.
        left_out: the errors of mails that were left out, see `isolate_mail`.
    """

    engine: sa.Engine
    settings: Settings
    gmail: GmailClient
    mailbox: MailboxRecord
    writer: MailWriter
    holder: str
    action: Action = Action.SEND
    counts: Counter[MailEvent] = field(default_factory=Counter)
    placements: Counter[Placement] = field(default_factory=Counter)
    bounces: Counter[BounceKind] = field(default_factory=Counter)
    refusals: list[GmailError] = field(default_factory=list)
    left_out: list[BadGmailRequestError | NoTemplatesError] = field(default_factory=list)

    @property
    def schedule(self) -> Schedule:
        """Return the schedule of the mailbox."""
        return resolve_schedule(self.mailbox, self.settings)

    def summarize(self) -> dict[str, int]:
        """Return all counts by name, as the log and the task's result show them."""
        placed = {f"placed_{placement.value}": number for placement, number in self.placements.items()}
        return {event.value: number for event, number in self.counts.items()} | placed

    def require_accepted_mail(self) -> None:
        """Check that Gmail has accepted one of the mails of this session, if it refused any.

        Raises:
            GmailError: it refused all of them; the last refusal.
        """
        if self.refusals and not (self.counts[MailEvent.SENT] or self.counts[MailEvent.REPLIED]):
            raise self.refusals[-1]

    def require_usable_mail(self) -> None:
        """Check that something was done, if mails were left out: otherwise the cause may be common to all mails.

        Raises:
            BadGmailRequestError: Gmail refused every request that changes something; the first refusal.
            NoTemplatesError: no mail could be written.
        """
        if self.left_out and not self.counts:
            raise self.left_out[0]

    def extend_lease(self) -> None:
        """Extend the lease on the mailbox and check that it may still be used; call it before each step at Gmail.

        Raises:
            StoppedError: an operator stopped everything.
            MailboxBlockedError: the mailbox may not be used for this action any more.
            MailboxBusyError: the lease ended, so another task may hold the mailbox now.
        """
        with autocommit(self.engine) as connection:
            self.extend_lease_in(connection)

    def extend_lease_in(self, connection: sa.Connection) -> None:
        """Extend the lease on a given connection; within a transaction this also locks the mailbox's row.

        Raises:
            StoppedError: an operator stopped everything.
            MailboxBlockedError: the mailbox may not be used for this action any more.
            MailboxBusyError: the lease ended, so another task may hold the mailbox now.
        """
        seconds = self.settings.mailbox_lease
        mailbox_lease.extend_lease(connection, self.mailbox, self.action, holder=self.holder, seconds=seconds)

    def while_permitted(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the items one by one; before each, extend the lease and check that the mailbox may still be used.

        Raises:
            GmailWarmupError: as ``extend_lease``.
        """
        for item in items:
            self.extend_lease()
            yield item

    def scale_delay(self, delay: timedelta) -> timedelta:
        """Return a delay, shortened in a demonstration."""
        return delay * self.settings.delay_scale

    def find_next_session(self, now: datetime, delay: timedelta) -> datetime:
        """Return the mailbox's first session after a delay: when everything in it is due."""
        return sessions.find_next_session(self.mailbox, now + self.scale_delay(delay), self.settings)

    def find_visit_time(self, now: datetime) -> datetime:
        """Return when what follows at once is done: now, or in the first session of the morning."""
        is_awake = sessions.is_awake(self.mailbox, now, self.settings)
        return now if is_awake else self.find_next_session(now, timedelta(0))

    def defer_at_night(
        self, entries: Sequence[Entry], column: InstrumentedAttribute[datetime | None]
    ) -> Sequence[Entry]:
        """Return the rows to process now: all by day; none at night, when they wait for the first session.

        Args:
            column: the due time to postpone.
        """
        if not entries or (visit_at := self.find_visit_time(now := entries[0].seen_at)) == now:
            return entries
        with write_transaction(self.engine) as connection:
            for entry in entries:
                ledger.update_entry(connection, entry.id, **{column.key: visit_at})
        return ()

    def label_message(self, message_id: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Change a message's labels and add the warmup label, which is created again if a person deleted it."""
        try:
            self.gmail.modify_labels(message_id, add=(self._ensure_label_id(), *add), remove=remove)
        except BadGmailRequestError:
            known_id, self.mailbox = self.mailbox.label_id, replace(self.mailbox, label_id=None)
            if self._ensure_label_id() == known_id:
                raise
            self.gmail.modify_labels(message_id, add=(self._ensure_label_id(), *add), remove=remove)

    def _ensure_label_id(self) -> str:
        """Return the id of the warmup label in this mailbox; it is requested from Gmail once and stored."""
        name = self.settings.gmail_label
        if self.mailbox.label_id and self.mailbox.label_name == name:
            return self.mailbox.label_id
        label_id = self.gmail.ensure_label(name)
        with autocommit(self.engine) as connection:
            connection.execute(_STORE_LABEL, {"mailbox": self.mailbox.id, "label": label_id, "name": name})
        self.mailbox = replace(self.mailbox, label_id=label_id, label_name=name)
        return label_id


@contextmanager
def isolate_mail(session: MailboxSession, entry: Entry) -> Iterator[None]:
    """Log what a stored value of one mail, or of its other mailbox, causes: the other mails continue.

    The other mailbox may have been removed meanwhile. Gmail refuses a request with a wrong id. It also refuses all if a
    setting is wrong: see `require_usable_mail`. A mail for whose language there is no template waits, and mails in
    other languages continue.
    """
    try:
        yield
    except NoTemplatesError as error:
        session.left_out.append(error)
        text = "%s: mail %d waits: %s [no_templates]"
        log_event(log, logging.ERROR, text, session.mailbox.address, entry.id, error, reason_code=error.reason)
    except NoResultFound:  # a statement reads its other mailbox
        text = "%s: mail %d is left out, because its other mailbox was removed"
        log_event(log, logging.INFO, text, session.mailbox.address, entry.id, reason_code="mailbox_removed")
    except (*WRITE_ERRORS, BadGmailRequestError) as error:
        if isinstance(error, BadGmailRequestError):
            session.left_out.append(error)
        text = "%s: mail %d is left out, because a stored value breaks a rule: %s [invalid_row]"
        address, what = session.mailbox.address, describe_error(error)
        log_event(log, logging.ERROR, text, address, entry.id, what, reason_code="invalid_row")


@contextmanager
def lease_mailbox(
    engine: sa.Engine, mailbox: MailboxRecord, settings: Settings, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[str, MailboxWithBlockers]]:
    """Lease a mailbox, so that no two tasks use it at a time; yield the holder's name and the current mailbox.

    Raises:
        MailboxBusyError: another task holds it for longer than ``mailbox_wait`` seconds.
    """
    holder = uuid.uuid4().hex
    deadline = time.monotonic() + settings.mailbox_wait
    while True:
        with autocommit(engine) as connection:
            leased = mailbox_lease.acquire_lease(connection, mailbox.id, holder=holder, seconds=settings.mailbox_lease)
        if leased:
            break
        if time.monotonic() >= deadline:
            raise MailboxBusyError(f"{mailbox.address}: another task is working in this mailbox; it is tried again.")
        sleep(0.2)
    try:
        yield holder, leased
    finally:
        with autocommit(engine) as connection:
            repository.release_lease(connection, mailbox.id, holder=holder)
