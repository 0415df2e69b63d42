"""Find the senders with a mail due: those with an unfinished mail, and those whose cached send time has come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.mailboxes.schedules.columns import SCHEDULE_COLUMNS
from gmail_warmup.mailboxes.schedules.stored import InvalidScheduleError
from gmail_warmup.mailboxes.zone_data import find_zone
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning import next_send
from gmail_warmup.warmup.planning.daily_plan import (
    SendingHistory,
    find_due_slots,
    find_next_send_time,
    is_sending_time,
    load_histories,
)
from gmail_warmup.warmup.planning.eligibility import (
    CAN_SEND,
    IS_USABLE,
    MAY_CALL_GMAIL,
    GlobalBlockers,
    find_send_blocker,
)
from gmail_warmup.warmup.planning.schedules import resolve_schedule

log = logging.getLogger(__name__)

BATCH_SIZE = 1100
"""Senders that are planned with one query: a few more than a run has tasks for."""
PLANNING_TIME_LIMIT = 5.0
"""Seconds after which no further batch is started; the next run plans the remaining senders."""

_IS_SENDABLE = (IS_USABLE, MAY_CALL_GMAIL, CAN_SEND)
_UNSENT = (
    sa.select(L.sender_id, sa.func.min(L.claimed_at).label("since"))
    .where(ledger.UNSENT_FIRST)
    .group_by(L.sender_id)
    .subquery()
)
_SELECT_UNFINISHED = (
    repository.SELECT_MAILBOXES.add_columns(_UNSENT.c.since.label("begun_at"))
    .join(_UNSENT, _UNSENT.c.sender_id == Mailbox.id)
    .where(*_IS_SENDABLE)  # of any kind: a mailbox may have joined the pool since the claim
)
_SELECT_UNPLANNED: Any = (
    sa.select(Mailbox.id, Mailbox.next_send_at)
    .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    .where(Mailbox.kind == MailboxKind.WARMUP, *_IS_SENDABLE)
    .order_by(Mailbox.next_send_at, Mailbox.id)
)
_SELECT_HINTS = _SELECT_UNPLANNED.add_columns(Mailbox.address, Mailbox.timezone, *SCHEDULE_COLUMNS)
_SELECT_SENDERS = repository.SELECT_MAILBOXES.where(
    Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger)))
)
_SELECT_SENDERS_LOCKED = _SELECT_SENDERS.with_for_update(of=Mailbox, skip_locked=True, key_share=True)


@dataclass
class SenderSearch:
    """One search for due senders: those with an unfinished mail, those whose hint is due, and those without a hint.

    A hint of the current local day is used as it is within the sending window: the plan computed it, and the claim
    computes the plan again. An older hint is left over from a previous day and is computed again.
    """

    connection: sa.Connection
    settings: Settings
    _: KW_ONLY
    blockers: GlobalBlockers
    chosen_ids: list[int] | None
    stores_hints: bool

    def find_due(self, limit: int | None) -> list[str]:
        """Return the addresses of the senders with something due, those that waited longest first."""
        due = self._find_unfinished()
        deadline = time.monotonic() + PLANNING_TIME_LIMIT
        queries = (
            _SELECT_HINTS.where(Mailbox.next_send_at <= self.blockers.now),
            _SELECT_UNPLANNED.where(Mailbox.next_send_at.is_(None)),
        )
        for query in queries:
            for batch in self._load_batches(query):
                self._plan_senders([row.id for row in batch if not self._accept_hint(row, due)], due)
                if limit is not None and len(due) >= limit:
                    break
                if time.monotonic() >= deadline:
                    log.warning("There are more senders to plan than one run has time for; the next run continues")
                    break
        return sorted(due, key=lambda address: (due[address], address))[:limit]

    def _find_unfinished(self) -> dict[str, datetime]:
        """Return the senders with a mail that an earlier task left unfinished, with the time of its claim."""
        due = {}
        for row in self.connection.execute(self._restrict_to_chosen(_SELECT_UNFINISHED)):
            mailbox = repository.to_record(row)
            if not find_send_blocker(mailbox, self.blockers) and self._is_time_to_finish(mailbox, row.begun_at):
                due[mailbox.address] = row.begun_at
        return due

    def _is_time_to_finish(self, mailbox: MailboxRecord, begun_at: datetime) -> bool:
        """Return whether an unfinished mail is sent now (sending window) or withdrawn (on a later day)."""
        zone, now = mailbox.zone, self.blockers.now
        is_later_day = begun_at.astimezone(zone).date() < now.astimezone(zone).date()
        return is_later_day or is_sending_time(resolve_schedule(mailbox, self.settings), zone, now=now)

    def _load_batches(self, query: sa.Select[Any]) -> Iterator[Sequence[sa.Row[Any]]]:
        query = self._restrict_to_chosen(query).limit(BATCH_SIZE)
        last: sa.Row[Any] | None = None
        while True:
            batch = self.connection.execute(query if last is None else query.where(_is_after(last))).all()
            if batch:
                yield batch
            if len(batch) < BATCH_SIZE:
                return
            last = batch[-1]

    def _accept_hint(self, row: sa.Row[Any], due: dict[str, datetime]) -> bool:
        """Add a sender whose hint is of the current day; return False if the sender has to be planned."""
        if row.next_send_at is None:
            return False
        zone, now = find_zone(row.timezone), self.blockers.now
        if zone is None:
            return False
        if row.next_send_at.astimezone(zone).date() != now.astimezone(zone).date():
            return False
        try:
            schedule = resolve_schedule(row, self.settings)
        except InvalidScheduleError:
            return False  # a stored value breaks a rule
        if not is_sending_time(schedule, zone, now=now):
            return False
        due.setdefault(row.address, row.next_send_at)
        return True

    def _plan_senders(self, mailbox_ids: list[int], due: dict[str, datetime]) -> None:
        """Compute the plan of senders: add those with a slot due, and store the next send time of all."""
        if not mailbox_ids:
            return
        # A row that is locked belongs to a claim, which stores the hint itself.
        query = _SELECT_SENDERS_LOCKED if self.stores_hints else _SELECT_SENDERS
        mailboxes = [repository.to_record(row) for row in self.connection.execute(query, {"ids": mailbox_ids})]
        histories = load_histories(self.connection, [mailbox.id for mailbox in mailboxes])
        hints: dict[int, datetime | None] = {}
        for mailbox in mailboxes:
            if mailbox.invalid:
                hints[mailbox.id] = None
                log.error("%s is not planned: a stored value breaks a rule: %s", mailbox.address, mailbox.invalid[0])
                continue
            due_at, hints[mailbox.id] = self._plan_sender(mailbox, histories[mailbox.id])
            if due_at is not None:
                due.setdefault(mailbox.address, due_at)
        if self.stores_hints:
            next_send.store_hints(self.connection, hints)

    def _plan_sender(self, mailbox: MailboxRecord, history: SendingHistory) -> tuple[datetime | None, datetime]:
        """Return since when a slot is due, None if none is, and the hint to store."""
        now, settings = self.blockers.now, self.settings
        slots = find_due_slots(mailbox, history, now=now, settings=settings)
        if slots:
            return slots[0].due_at, slots[0].due_at
        return None, find_next_send_time(mailbox, history, now=now, settings=settings)

    def _restrict_to_chosen(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query if self.chosen_ids is None else query.where(Mailbox.id.in_(self.chosen_ids))


def _is_after(last: sa.Row[Any]) -> sa.ColumnElement[bool]:
    """Return the condition for the rows after the last one of a batch, in the order of ``_SELECT_HINTS``."""
    has_higher_id: sa.ColumnElement[bool] = Mailbox.id > last.id
    if last.next_send_at is None:
        return has_higher_id
    has_same_hint = Mailbox.next_send_at == last.next_send_at
    return sa.or_(Mailbox.next_send_at > last.next_send_at, sa.and_(has_same_hint, has_higher_id))
