"""The ledger's history: mails in which nothing is due move there, by the month of their claim, a batch at a time.

So the ledger, on which every task works, holds the mails of the last weeks however long an installation runs. A thread
moves as a whole and in one transaction: at any moment a mail is in the ledger or in its history, never in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import LEDGER_HISTORY, MailStatus
from gmail_warmup.db.models import LedgerEntry as L

BATCH = 5_000
"""Rows of the ledger that are looked at in one transaction: some tenths of a second."""
PATIENCE = timedelta(days=366)
"""What could not be done for so long, since its mailbox was paused or broken, is not waited for any more."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What became of one batch.

    Attributes:
        mails: how many moved.
        last_id: the last row that was looked at; None if there was none.
        done: whether what comes behind it is too young to move.
    """

    mails: int
    last_id: int | None
    done: bool


def _waits() -> sa.ColumnElement[bool]:
    """Return the condition that a row keeps its thread in the ledger: it is young, or something in it is to be done."""
    sent, first = L.status == MailStatus.SENT, L.parent_id.is_(None)
    too_late = sa.bindparam("too_late", type_=L.claimed_at.type)

    def due(at: Any, *undone: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.and_(at.is_not(None), at > too_late, *undone)

    return sa.or_(
        L.claimed_at >= sa.bindparam("until", type_=L.claimed_at.type),
        due(L.claimed_at, L.status.in_((MailStatus.CLAIMED, MailStatus.DRAFTED))),
        due(L.locate_due_at, sent, first, L.placement.is_(None)),
        due(L.locate_due_at, sent, sa.not_(first), L.collected_at.is_(None)),
        due(L.rescue_due_at, L.rescued_at.is_(None)),
        due(L.read_due_at, L.read_at.is_(None)),
        due(L.mark_due_at, L.marked_at.is_(None)),
        due(L.reply_due_at, L.replied_at.is_(None)),
        due(L.trash_due_at, L.sender_trashed_at.is_(None)),
        due(L.trash_due_at, L.recipient_gmail_id.is_not(None), L.recipient_trashed_at.is_(None)),
    )


def _looked() -> sa.Select[Any]:
    """Return the next rows by id, and so nearly by their claim: no index is needed to find what is old."""
    columns: Any = sa.select(L.id, L.parent_id, L.claimed_at)
    query: sa.Select[Any] = columns.where(L.id > sa.bindparam("after"))
    return query.order_by(L.id).limit(BATCH)


def _move() -> sa.Select[Any]:
    looked, waits = _looked().cte("looked"), _waits()
    old = (looked.c.parent_id.is_(None), looked.c.claimed_at < sa.bindparam("until", type_=L.claimed_at.type))
    first = sa.select(L.id, L.id.label("root"), waits.label("waits")).join(looked, looked.c.id == L.id).where(*old)
    thread = first.cte("thread", recursive=True)
    answer = sa.select(L.id, thread.c.root, waits).join(thread, L.parent_id == thread.c.id)
    thread = thread.union_all(answer)
    settled = sa.select(thread.c.root).group_by(thread.c.root).having(~sa.func.bool_or(thread.c.waits)).cte("settled")
    table = L.__table__
    gone = (
        sa.delete(L).where(L.id == thread.c.id, thread.c.root == settled.c.root).returning(*table.columns).cte("gone")
    )
    names = [column.name for column in table.columns]
    kept = sa.insert(LEDGER_HISTORY).from_select(names, sa.select(*(gone.c[name] for name in names)))
    moved = kept.returning(LEDGER_HISTORY.c.id).cte("moved")
    return sa.select(
        sa.select(sa.func.count()).select_from(moved).scalar_subquery().label("mails"),
        sa.func.max(looked.c.id).label("last_id"),
        sa.func.coalesce(
            sa.func.bool_or(looked.c.claimed_at >= sa.bindparam("until", type_=L.claimed_at.type)), sa.true()
        ).label("done"),
    )


_MOVE = _move()
_OLDEST = sa.select(sa.func.min(_looked().subquery().c.claimed_at))
_FIRST_ROWS = _looked().subquery()
_OVERDUE = sa.select(sa.func.count()).join(_FIRST_ROWS, _FIRST_ROWS.c.id == L.id).select_from(L).where(~_waits())
_MAKE = sa.select(sa.func.gmail_warmup.make_months(sa.bindparam("since"), sa.bindparam("until")))
_DROP = sa.select(sa.func.gmail_warmup.drop_months(sa.bindparam("before")))


def move(connection: sa.Connection, *, after: int, until: datetime, now: datetime) -> Moved:
    """Move the threads among the next rows that are done with into the history; make the months that they need.

    Args:
        after: the id behind which to look.
        until: aware; what was claimed from then on stays.
        now: aware.
    """
    oldest = connection.execute(_OLDEST, {"after": after}).scalar_one()
    if oldest is None:
        return Moved(mails=0, last_id=None, done=True)
    if oldest < until:
        connection.execute(_MAKE, {"since": oldest, "until": until})
    row = connection.execute(_MOVE, {"after": after, "until": until, "too_late": now - PATIENCE}).one()
    return Moved(mails=row.mails, last_id=row.last_id, done=row.done)


def overdue(connection: sa.Connection, *, until: datetime, now: datetime) -> int:
    """Return how many of the ledger's first rows should have moved: nothing waits in them, and they are that old.

    Args:
        until: aware; what was claimed from then on is not overdue.
        now: aware.
    """
    chosen = {"after": 0, "until": until, "too_late": now - PATIENCE}
    return int(connection.execute(_OVERDUE, chosen).scalar_one())


def drop(connection: sa.Connection, *, before: datetime) -> int:
    """Drop the months that ended before a time (aware), for good; return how many that were."""
    return int(connection.execute(_DROP, {"before": before}).scalar_one())
