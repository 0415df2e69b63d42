"""Count the mailboxes that wait for an action, with one query and without listing them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.db.clock import to_local_date
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.db.statement_cache import cache_statement
from gmail_warmup.warmup.health.monitor import LOCAL_TODAY
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning.due import get_waiting_queries
from gmail_warmup.warmup.planning.eligibility import CAN_SEND, IS_USABLE, MAY_CALL_GMAIL, SENDING_ACTIONS


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The mailboxes that wait for an action.

    Attributes:
        mailboxes: how many of them a task may use now; for `send` including those outside their sending window.
        since: when the first of them began to wait (aware); None if none waits.
    """

    mailboxes: int
    since: datetime | None


def count_backlog(connection: sa.Connection, action: Action) -> Backlog:
    """Return the backlog of an action, including the mailboxes that running tasks work on.

    Raises:
        IncompleteActionError: if no query finds the mailboxes that wait for this action.
    """
    return _count(connection, action)[action]


def count_backlogs(connection: sa.Connection) -> dict[Action, Backlog]:
    """Return the backlog of each action, with one statement."""
    return _count(connection, *Action)


def _count(connection: sa.Connection, *actions: Action) -> dict[Action, Backlog]:
    found = {row.action: row for row in connection.execute(_build_count_query(*actions))}
    nothing = Backlog(mailboxes=0, since=None)
    return {
        action: Backlog(mailboxes=found[action].mailboxes, since=found[action].since) if action in found else nothing
        for action in actions
    }


_DUE = sa.select(Mailbox.id.label("mailbox_id"), Mailbox.next_send_at.label("since")).where(
    Mailbox.kind == MailboxKind.WARMUP,
    Mailbox.paused_at.is_(None),  # for the index
    Mailbox.next_send_at <= sa.func.now(),
    # An older hint is left over from a previous day; the plan computes it again.
    to_local_date(Mailbox.timezone, Mailbox.next_send_at) == LOCAL_TODAY,
)
_UNFINISHED = sa.select(L.sender_id.label("mailbox_id"), L.claimed_at.label("since")).where(ledger.UNSENT_FIRST)


@cache_statement
def _build_count_query(*actions: Action) -> sa.Select[Any]:
    """Return the query of the backlogs by action: the conditions of mailboxes are planned once for all actions."""
    parts = [
        part.add_columns(sa.literal(action.value).label("action")) for action in actions for part in _get_parts(action)
    ]
    waiting = sa.union_all(*parts).subquery()
    return (
        sa.select(
            waiting.c.action,
            sa.func.count(waiting.c.mailbox_id.distinct()).label("mailboxes"),
            sa.func.min(waiting.c.since).label("since"),
        )
        .join(Mailbox, Mailbox.id == waiting.c.mailbox_id)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(IS_USABLE, MAY_CALL_GMAIL, sa.or_(waiting.c.action.not_in(SENDING_ACTIONS), CAN_SEND))
        .group_by(waiting.c.action)
    )


def _get_parts(action: Action) -> tuple[Any, ...]:
    return (_DUE, _UNFINISHED) if action is Action.SEND else get_waiting_queries(action)
