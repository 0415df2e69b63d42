"""Retention: which warmup mails go to the trash, on each side when its time has come.

Only ids that were recorded when a mail was identified are ever used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import LedgerEntry as L

TRASH_BATCH_SIZE = 200
"""Mails per task and side; together with their notices they fit into one call of Gmail."""

_IS_EXPIRED_AT_SENDER = sa.and_(L.trash_due_at <= sa.func.now(), L.sender_trashed_at.is_(None))
_IS_EXPIRED_AT_RECIPIENT = sa.and_(
    L.trash_due_at <= sa.func.now(), L.recipient_gmail_id.is_not(None), L.recipient_trashed_at.is_(None)
)

# A mailbox with other work tidies up with it; another one gets a task when a day's worth has come together.
_IS_OVERDUE = L.trash_due_at <= sa.func.now() - timedelta(days=1)
OVERDUE_AT_SENDER = sa.and_(_IS_OVERDUE, _IS_EXPIRED_AT_SENDER)
OVERDUE_AT_RECIPIENT = sa.and_(_IS_OVERDUE, _IS_EXPIRED_AT_RECIPIENT)


_BATCH_SIZE = sa.bindparam("at_once", type_=sa.Integer)


def _select_oldest(is_sent: bool, mine: Any, old: sa.ColumnElement[bool], message_id: Any) -> Any:
    found = sa.select(L.id, sa.literal(is_sent).label("is_sent"), message_id.label("message_id"), L.notice_ids)
    mailbox = mine == sa.bindparam("mailbox_id")
    return found.where(mailbox, old).order_by(L.trash_due_at, L.id).limit(_BATCH_SIZE).subquery().select()


_SELECT_EXPIRED = sa.union_all(
    _select_oldest(True, L.sender_id, _IS_EXPIRED_AT_SENDER, L.gmail_id),
    _select_oldest(False, L.recipient_id, _IS_EXPIRED_AT_RECIPIENT, L.recipient_gmail_id),
)


@dataclass(frozen=True, kw_only=True)
class ExpiredMails:
    """Mails of one mailbox that go to the trash: their rows, and their ids in Gmail with those of their notices."""

    sent: Sequence[int]
    received: Sequence[int]
    message_ids: Sequence[str]


def find_expired_mails(connection: sa.Connection, mailbox_id: int) -> ExpiredMails:
    """Return the mails of a mailbox that are old enough, the oldest first."""
    rows = connection.execute(_SELECT_EXPIRED, {"mailbox_id": mailbox_id, "at_once": TRASH_BATCH_SIZE}).all()
    sent, received = [row for row in rows if row.is_sent], [row for row in rows if not row.is_sent]
    ids = [found for row in sent for found in (row.message_id, *row.notice_ids[:3])]
    ids += [row.message_id for row in received]
    return ExpiredMails(sent=[row.id for row in sent], received=[row.id for row in received], message_ids=ids)


def record_trashed(connection: sa.Connection, old: ExpiredMails) -> None:
    """Record that these mails are in the trash."""
    connection.execute(sa.update(L).where(L.id.in_(old.sent)).values(sender_trashed_at=sa.func.now()))
    connection.execute(sa.update(L).where(L.id.in_(old.received)).values(recipient_trashed_at=sa.func.now()))
