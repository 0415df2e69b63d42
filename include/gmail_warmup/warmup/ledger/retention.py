"""Retention: the warmup mails that are due to be moved to the trash, at the sender and at the recipient.

Only message ids that were recorded when a mail was identified are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import LedgerEntry as L

TRASH_BATCH_SIZE = 200
"""Mails per task and side; with their bounces and auto-replies they fit into one Gmail request."""

_IS_EXPIRED_AT_SENDER = sa.and_(L.trash_due_at <= sa.func.now(), L.sender_trashed_at.is_(None))
_IS_EXPIRED_AT_RECIPIENT = sa.and_(
    L.trash_due_at <= sa.func.now(), L.recipient_gmail_id.is_not(None), L.recipient_trashed_at.is_(None)
)

# A mailbox with other work moves its old mail along with it; any other gets a task once a day.
_IS_OVERDUE = L.trash_due_at <= sa.func.now() - timedelta(days=1)
OVERDUE_AT_SENDER = sa.and_(_IS_OVERDUE, _IS_EXPIRED_AT_SENDER)
OVERDUE_AT_RECIPIENT = sa.and_(_IS_OVERDUE, _IS_EXPIRED_AT_RECIPIENT)


@dataclass(frozen=True, kw_only=True)
class ExpiredMails:
    """Mails of one mailbox to move to the trash: the row ids by side, and the Gmail ids including bounces."""

    sent: Sequence[int]
    received: Sequence[int]
    message_ids: Sequence[str]


_BATCH_SIZE = sa.bindparam("at_once", type_=sa.Integer)


def _select_oldest(is_sent: bool, side: Any, is_expired: sa.ColumnElement[bool], message_id: Any) -> Any:
    columns = sa.select(L.id, sa.literal(is_sent).label("is_sent"), message_id.label("message_id"), L.notice_ids)
    is_mailbox = side == sa.bindparam("mailbox_id")
    return columns.where(is_mailbox, is_expired).order_by(L.trash_due_at, L.id).limit(_BATCH_SIZE).subquery().select()


_SELECT_EXPIRED = sa.union_all(
    _select_oldest(True, L.sender_id, _IS_EXPIRED_AT_SENDER, L.gmail_id),
    _select_oldest(False, L.recipient_id, _IS_EXPIRED_AT_RECIPIENT, L.recipient_gmail_id),
)


def find_expired_mails(connection: sa.Connection, mailbox_id: int) -> ExpiredMails:
    """Return the expired mails of a mailbox, oldest first."""
    rows = connection.execute(_SELECT_EXPIRED, {"mailbox_id": mailbox_id, "at_once": TRASH_BATCH_SIZE}).all()
    sent, received = [row for row in rows if row.is_sent], [row for row in rows if not row.is_sent]
    ids = [message_id for row in sent for message_id in (row.message_id, *row.notice_ids[:3])]
    ids += [row.message_id for row in received]
    return ExpiredMails(sent=[row.id for row in sent], received=[row.id for row in received], message_ids=ids)


def record_trashed(connection: sa.Connection, mails: ExpiredMails) -> None:
    """Record that these mails are in the trash.

    Sender and recipient record the same mails, each for its side, so both lock them in the order of their ids.
    """
    in_order = sa.select(L.id).where(L.id.in_([*mails.sent, *mails.received])).order_by(L.id)
    connection.execute(in_order.with_for_update(key_share=True))
    connection.execute(sa.update(L).where(L.id.in_(mails.sent)).values(sender_trashed_at=sa.func.now()))
    connection.execute(sa.update(L).where(L.id.in_(mails.received)).values(recipient_trashed_at=sa.func.now()))
