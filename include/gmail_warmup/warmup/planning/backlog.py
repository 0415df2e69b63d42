"""How much waits: the mailboxes that the plan finds, counted in one look and not listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailboxKind, OAuthGrant
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning.due import CAN_SEND, IS_USABLE, WAITING_QUERIES

_TODAY = sa.func.date(sa.func.timezone(Mailbox.timezone, sa.func.now()))
_DUE = sa.select(Mailbox.id.label("mailbox_id"), Mailbox.next_send_at.label("since")).where(
    Mailbox.kind == MailboxKind.WARMUP,
    Mailbox.next_send_at <= sa.func.now(),
    # An older one is what the end of a day left behind: the plan makes it anew.
    sa.func.date(sa.func.timezone(Mailbox.timezone, Mailbox.next_send_at)) == _TODAY,
)
_UNFINISHED = sa.select(L.sender_id.label("mailbox_id"), L.claimed_at.label("since")).where(ledger.UNSENT_FIRST)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Who waits for an action.

    Attributes:
        mailboxes: how many can be used now; for `send` also one whose hours are over.
        since: when the first of them began to wait (aware).
    """

    mailboxes: int
    since: datetime | None


def count_backlog(connection: sa.Connection, action: Action) -> Backlog:
    """Return who waits for an action, those that a run is at work on included."""
    row = connection.execute(_COUNT_QUERIES[action]).one()
    return Backlog(mailboxes=row.mailboxes, since=row.since)


def _build_count_query(action: Action) -> Any:
    sends = action is Action.SEND
    waiting = sa.union_all(*((_DUE, _UNFINISHED) if sends else WAITING_QUERIES[action])).subquery()
    query: Any = (
        sa.select(
            sa.func.count(waiting.c.mailbox_id.distinct()).label("mailboxes"),
            sa.func.min(waiting.c.since).label("since"),
        )
        .join(Mailbox, Mailbox.id == waiting.c.mailbox_id)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(IS_USABLE)
    )
    return query.where(CAN_SEND) if sends or action is Action.REPLY else query


_COUNT_QUERIES = {action: _build_count_query(action) for action in Action}
