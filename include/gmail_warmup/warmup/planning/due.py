"""Find the mailboxes that have something due for an action, at the database's time.

The cost depends on how much is due, not on how many mailboxes exist: recipients are found by the partial indexes of
the ledger, senders by their cached send times (see ``next_send``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import IncompleteActionError
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.db.statement_cache import cache_statement
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.pause_end import resume_ended_pauses
from gmail_warmup.warmup.ledger import bounces, retention
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning import kill_switch, next_send
from gmail_warmup.warmup.planning.due_senders import SenderSearch
from gmail_warmup.warmup.planning.eligibility import (
    CAN_SEND,
    IS_USABLE,
    MAY_CALL_GMAIL,
    SENDING_ACTIONS,
    load_blockers,
)

log = logging.getLogger(__name__)

BATCH_SIZE = 1100
"""Recipients that are checked with one query: a few more than a run has tasks for."""


def find_due_mailboxes(
    connection: sa.Connection,
    action: Action,
    settings: Settings,
    *,
    only: Iterable[str] | None = None,
    limit: int | None = None,
    remember: bool = True,
) -> list[str]:
    """Return the addresses of the mailboxes with something due for an action, those that waited longest first.

    Nothing is due while the kill switch is active.

    Args:
        only: the addresses to consider; None for all mailboxes.
        limit: the maximum number of addresses to return; None for all.
        remember: resume the mailboxes whose pause has ended, and store the computed send times of senders; False
            changes no row.

    Raises:
        UnknownMailboxError: if ``only`` contains an address of no mailbox.
        IncompleteActionError: if no query finds the mailboxes that wait for this action.
    """
    if action is Action.SEND and remember:
        resume_ended_pauses(connection)
    chosen_ids = None if only is None else [mailbox.id for mailbox in repository.get_mailboxes(connection, only)]
    if action is not Action.SEND and (due := _find_due_recipients(connection, action, chosen_ids, limit)):
        return due  # the queries return no mailbox while the kill switch is active
    if halt := kill_switch.get_active_halt(connection):
        log.warning("%s", halt)
    if halt or action is not Action.SEND:
        return []
    if remember and next_send.clear_outdated_hints(connection, settings):
        log.info("Options that affect the plan have changed: the send times of all senders are computed again")
    search = SenderSearch(
        connection, settings, blockers=load_blockers(connection), chosen_ids=chosen_ids, stores_hints=remember
    )
    return search.find_due(limit)


def _select_waiting(due_at: Any, condition: sa.ColumnElement[bool], mailbox_id: Any = L.recipient_id) -> sa.Select[Any]:
    """Return the query of the mailboxes with ledger rows that are due, and since when; it uses one partial index."""
    return (
        sa.select(mailbox_id.label("mailbox_id"), sa.func.min(due_at).label("since"))
        .where(condition)
        .group_by(mailbox_id)
    )


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
        _select_waiting(L.stray_draft_due_at, ledger.STRAY_DRAFT_DUE, L.sender_id),
        _select_waiting(L.trash_due_at, retention.OVERDUE_AT_SENDER, L.sender_id),
        _select_waiting(L.trash_due_at, retention.OVERDUE_AT_RECIPIENT),
    ),
}
"""The queries of the mailboxes with something due, by action. Sending is not listed: it follows the plan."""


def get_waiting_queries(action: Action) -> tuple[sa.Select[Any], ...]:
    """Return the queries of the mailboxes with something due for an action other than sending.

    Raises:
        IncompleteActionError: if the action has none.
    """
    if action not in WAITING_QUERIES:
        raise IncompleteActionError(
            action,
            missing="the query that finds the mailboxes with something due",
            table="WAITING_QUERIES in warmup/planning/due.py",
        )
    return WAITING_QUERIES[action]


def _find_due_recipients(
    connection: sa.Connection, action: Action, chosen_ids: list[int] | None, limit: int | None
) -> list[str]:
    query = _build_waiting_query(action, chosen_only=chosen_ids is not None)
    parameters = {} if chosen_ids is None else {"only": chosen_ids}
    if limit is not None:  # the first batch is mostly enough, however many mailboxes wait
        ids = connection.scalars(query.limit(BATCH_SIZE), parameters).all()
        due = _filter_usable(connection, action, ids)
        if len(due) >= limit or len(ids) < BATCH_SIZE:
            return due[:limit]
    ids, due = connection.scalars(query, parameters).all(), []
    for start in range(0, len(ids), BATCH_SIZE):
        due += _filter_usable(connection, action, ids[start : start + BATCH_SIZE])
        if limit is not None and len(due) >= limit:
            break
    return due[:limit]


@cache_statement
def _build_waiting_query(action: Action, *, chosen_only: bool) -> sa.Select[Any]:
    """Return the query of the ids of the mailboxes with something due, those that waited longest first."""
    waiting = sa.union_all(*get_waiting_queries(action)).subquery()
    query = sa.select(waiting.c.mailbox_id).group_by(waiting.c.mailbox_id)
    if chosen_only:
        query = query.where(waiting.c.mailbox_id == sa.any_(sa.bindparam("only", type_=ARRAY(sa.BigInteger))))
    return query.order_by(sa.func.min(waiting.c.since), waiting.c.mailbox_id)


_SELECT_USABLE = (
    sa.select(Mailbox.id, Mailbox.address)
    .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    .where(
        Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))),
        IS_USABLE,
        MAY_CALL_GMAIL,
        ~kill_switch.HALT_IS_ACTIVE,
    )
)
_SELECT_USABLE_TO_SEND = _SELECT_USABLE.where(CAN_SEND)


def _filter_usable(connection: sa.Connection, action: Action, mailbox_ids: Sequence[int]) -> list[str]:
    """Return the addresses of the mailboxes that a task may use, in the same order."""
    query = _SELECT_USABLE_TO_SEND if action in SENDING_ACTIONS else _SELECT_USABLE
    usable = {row.id: row.address for row in connection.execute(query, {"ids": list(mailbox_ids)})}
    return [usable[mailbox_id] for mailbox_id in mailbox_ids if mailbox_id in usable]
