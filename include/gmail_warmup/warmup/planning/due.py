"""What is due: which mailboxes have something to do for which action, at the database's time.

A look costs what is due and not what exists: recipients are found by the partial indexes of the ledger, senders by
their hints (see `hints`).
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import GrantState, Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.domains.gate import GATED_DOMAINS
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.ledger import bounces, retention
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.planning import next_send as hints
from gmail_warmup.warmup.planning.daily_plan import find_due_slots, find_next_send_time, is_sending_time, load_histories
from gmail_warmup.warmup.planning.eligibility import GlobalBlockers, find_send_blocker, load_blockers

log = logging.getLogger(__name__)

BATCH_SIZE = 1100
"""Mailboxes that are looked at in one go: a few more than a run has tasks for."""
PLANNING_TIME_LIMIT = 5.0
"""After so long no further batch is begun; what is left is looked at by the next run."""


IS_USABLE = sa.and_(
    Mailbox.paused_at.is_(None),
    sa.or_(
        OAuthGrant.state == GrantState.ACTIVE,
        sa.and_(
            OAuthGrant.state == GrantState.SUSPECT,
            sa.or_(OAuthGrant.access_expires_at > sa.func.now(), OAuthGrant.next_probe_at <= sa.func.now()),
        ),
    ),
)
"""A mailbox that a task may use. A flagged or paused one costs nothing: no task, no token request."""

IS_NOT_DEFERRED = sa.or_(Mailbox.deferred_until.is_(None), Mailbox.deferred_until <= sa.func.now())
CAN_SEND = sa.and_(IS_NOT_DEFERRED, Mailbox.domain.not_in(GATED_DOMAINS))


def find_due_mailboxes(
    connection: sa.Connection,
    action: Action,
    settings: Settings,
    *,
    only: Iterable[str] | None = None,
    limit: int | None = None,
    remember: bool = True,
) -> list[str]:
    """Return the addresses with something due for an action; those that waited longest come first.

    Nothing is due while everything is stopped.

    Args:
        only: addresses to look at; all if None.
        limit: how many are wanted; all if None.
        remember: keep what was found out about when senders are due next; False changes no row.

    Raises:
        UnknownMailboxError: if ``only`` names an address that is no mailbox.
    """
    chosen = None if only is None else [mailbox.id for mailbox in repository.get_mailboxes(connection, only)]
    if action is not Action.SEND and (found := _find_due_recipients(connection, action, chosen, limit)):
        return found  # nobody is usable while everything is stopped
    if stopped := kill_switch.get_active_halt(connection):
        log.warning("%s", stopped)
    if stopped or action is not Action.SEND:
        return []
    if remember and hints.clear_outdated_hints(connection, settings):
        log.info("the settings of the plan have changed: every sender is planned anew")
    return _SenderSearch(connection, settings, load_blockers(connection), chosen, stores_hints=remember).find_due(limit)


def _select_waiting(at: Any, condition: sa.ColumnElement[bool], who: Any = L.recipient_id) -> sa.Select[Any]:
    """Return the mailboxes for which rows of the ledger wait, and since when; one partial index serves it."""
    return sa.select(who.label("mailbox_id"), sa.func.min(at).label("since")).where(condition).group_by(who)


WAITING_QUERIES: dict[Action, tuple[sa.Select[Any], ...]] = {
    Action.RESCUE: (
        _select_waiting(L.locate_due_at, ledger.UNPLACED),
        _select_waiting(L.rescue_due_at, ledger.UNRESCUED),
    ),
    Action.READ: (_select_waiting(L.read_due_at, ledger.UNREAD), _select_waiting(L.mark_due_at, ledger.UNMARKED)),
    Action.REPLY: (_select_waiting(L.reply_due_at, ledger.UNANSWERED),),
    Action.COLLECT: (
        _select_waiting(L.locate_due_at, ledger.UNCOLLECTED),
        bounces.select_waiting(),
        _select_waiting(L.trash_due_at, retention.OVERDUE_AT_SENDER, L.sender_id),
        _select_waiting(L.trash_due_at, retention.OVERDUE_AT_RECIPIENT),
    ),
}
"""The mailboxes for which something waits, by the actions of those who receive mail."""


def _find_due_recipients(
    connection: sa.Connection, action: Action, only: list[int] | None, limit: int | None
) -> list[str]:
    query, chosen = _build_waiting_query(action, only is None), {} if only is None else {"only": only}
    # Who waits longest is looked at first and, in an overload, alone: not every mailbox that waits.
    if limit is not None:  # the first are mostly enough, however many wait
        ids = connection.scalars(query.limit(BATCH_SIZE), chosen).all()
        found = _filter_usable(connection, action, ids)
        if len(found) >= limit or len(ids) < BATCH_SIZE:
            return found[:limit]
    ids, found = connection.scalars(query, chosen).all(), []
    for first in range(0, len(ids), BATCH_SIZE):
        found += _filter_usable(connection, action, ids[first : first + BATCH_SIZE])
        if limit is not None and len(found) >= limit:
            break
    return found[:limit]


# Statements of every run are built once: building one costs as much as executing it.
@functools.cache
def _build_waiting_query(action: Action, anybody: bool) -> sa.Select[Any]:
    """Return the query of the mailboxes for which something waits, those that waited longest first."""
    waiting = sa.union_all(*WAITING_QUERIES[action]).subquery()
    query = sa.select(waiting.c.mailbox_id).group_by(waiting.c.mailbox_id)
    if not anybody:
        query = query.where(waiting.c.mailbox_id == sa.any_(sa.bindparam("only", type_=ARRAY(sa.BigInteger))))
    return query.order_by(sa.func.min(waiting.c.since), waiting.c.mailbox_id)


_SELECT_USABLE = (
    sa.select(Mailbox.id, Mailbox.address)
    .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    .where(
        Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))), IS_USABLE, ~kill_switch.HALT_IS_ACTIVE
    )
)
_SELECT_USABLE_TO_SEND = _SELECT_USABLE.where(CAN_SEND)


def _filter_usable(connection: sa.Connection, action: Action, mailbox_ids: Sequence[int]) -> list[str]:
    """Return the addresses of those mailboxes that a task may use, in the same order."""
    query = _SELECT_USABLE_TO_SEND if action is Action.REPLY else _SELECT_USABLE
    usable = {row.id: row.address for row in connection.execute(query, {"ids": list(mailbox_ids)})}
    return [usable[mailbox_id] for mailbox_id in mailbox_ids if mailbox_id in usable]


_WAITING_UNSENT = _select_waiting(L.claimed_at, ledger.UNSENT_FIRST, L.sender_id).subquery()
_IS_SENDABLE = (Mailbox.kind == MailboxKind.WARMUP, IS_USABLE, CAN_SEND)
_SELECT_UNFINISHED = (
    repository.SELECT_MAILBOXES.add_columns(_WAITING_UNSENT.c.since.label("begun_at"))
    .join(_WAITING_UNSENT, _WAITING_UNSENT.c.mailbox_id == Mailbox.id)
    .where(*_IS_SENDABLE)
)
_SELECT_HINTS: Any = (
    sa.select(Mailbox.id, Mailbox.address, Mailbox.timezone, Mailbox.next_send_at)
    .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    .where(*_IS_SENDABLE)
    .order_by(Mailbox.next_send_at, Mailbox.id)
)
_SELECT_SENDERS = repository.SELECT_MAILBOXES.where(
    Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger)))
)
_SELECT_SENDERS_LOCKED = _SELECT_SENDERS.with_for_update(of=Mailbox, skip_locked=True, key_share=True)


@dataclass
class _SenderSearch:
    """One look at the senders: those with a mail begun, those whose hint is due, and those without a hint.

    A hint of the same local day is believed, in hours: it was made by the plan, and the claim asks the plan again. An
    older one is what the end of a day, a night or a weekend left behind, and is made anew.
    """

    connection: sa.Connection
    settings: Settings
    blockers: GlobalBlockers
    chosen_ids: list[int] | None
    stores_hints: bool = field(kw_only=True)

    def find_due(self, limit: int | None) -> list[str]:
        """Return the addresses of the senders with something due, the longest waiting first."""
        found = self._find_unfinished()
        ends = time.monotonic() + PLANNING_TIME_LIMIT
        for unsure in (Mailbox.next_send_at <= self.blockers.now, Mailbox.next_send_at.is_(None)):
            for batch in self._load_batches(unsure):
                self._plan_senders([row.id for row in batch if not self._accept_hint(row, found)], found)
                if limit is not None and len(found) >= limit:
                    break
                if time.monotonic() >= ends:
                    log.warning("there are more senders to plan than one run looks at; the next run goes on")
                    break
        return sorted(found, key=lambda address: (found[address], address))[:limit]

    def _find_unfinished(self) -> dict[str, datetime]:
        """Return the senders with a mail that an earlier task began, and when it did."""
        found = {}
        for row in self.connection.execute(self._restrict_to_chosen(_SELECT_UNFINISHED)):
            mailbox = repository.to_record(row)
            if (
                self._is_time_to_finish(mailbox.zone, row.begun_at)
                and find_send_blocker(mailbox, self.blockers) is None
            ):
                found[mailbox.address] = row.begun_at
        return found

    def _is_time_to_finish(self, zone: ZoneInfo, begun_at: datetime) -> bool:
        """Tell whether a begun mail is sent now, in hours, or given up, on a later day."""
        earlier_day = begun_at.astimezone(zone).date() < self.blockers.now.astimezone(zone).date()
        return earlier_day or is_sending_time(zone, now=self.blockers.now, settings=self.settings)

    def _load_batches(self, unsure: sa.ColumnElement[bool]) -> Iterator[Sequence[sa.Row[Any]]]:
        query = self._restrict_to_chosen(_SELECT_HINTS).where(unsure).limit(BATCH_SIZE)
        last: sa.Row[Any] | None = None
        while True:
            batch = self.connection.execute(query if last is None else query.where(_build_page_condition(last))).all()
            if batch:
                yield batch
            if len(batch) < BATCH_SIZE:
                return
            last = batch[-1]

    def _accept_hint(self, row: sa.Row[Any], found: dict[str, datetime]) -> bool:
        """Note a sender as due if its hint can be believed; tell whether it can."""
        if row.next_send_at is None:
            return False
        zone, now = ZoneInfo(row.timezone), self.blockers.now
        today = row.next_send_at.astimezone(zone).date() == now.astimezone(zone).date()
        if not today or not is_sending_time(zone, now=now, settings=self.settings):
            return False
        found.setdefault(row.address, row.next_send_at)
        return True

    def _plan_senders(self, mailbox_ids: list[int], found: dict[str, datetime]) -> None:
        """Ask the plan about senders: note who is due, and keep when it is worth asking about them again."""
        if not mailbox_ids:
            return
        # A task that claims at this moment keeps the hint itself.
        query = _SELECT_SENDERS_LOCKED if self.stores_hints else _SELECT_SENDERS
        mailboxes = [repository.to_record(row) for row in self.connection.execute(query, {"ids": mailbox_ids})]
        past = load_histories(self.connection, [mailbox.id for mailbox in mailboxes])
        made: dict[int, datetime] = {}
        for mailbox in mailboxes:
            slots = find_due_slots(mailbox, past[mailbox.id], now=self.blockers.now, settings=self.settings)
            if slots:
                found.setdefault(mailbox.address, slots[0].due_at)
                made[mailbox.id] = slots[0].due_at
            else:
                made[mailbox.id] = find_next_send_time(
                    mailbox, past[mailbox.id], now=self.blockers.now, settings=self.settings
                )
        if self.stores_hints:
            hints.store_hints(self.connection, made)

    def _restrict_to_chosen(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query if self.chosen_ids is None else query.where(Mailbox.id.in_(self.chosen_ids))


def _build_page_condition(last: sa.Row[Any]) -> sa.ColumnElement[bool]:
    further: sa.ColumnElement[bool] = Mailbox.id > last.id
    if last.next_send_at is None:
        return further
    return sa.or_(Mailbox.next_send_at > last.next_send_at, sa.and_(Mailbox.next_send_at == last.next_send_at, further))
