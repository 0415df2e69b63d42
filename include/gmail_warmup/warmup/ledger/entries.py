"""Ledger rows: one row per warmup mail, from the claim of its slot to the reply.

Every function takes a connection and runs in the caller's transaction. Each step of a mail is committed before the next
one starts, so after a crash the row shows which steps are left.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from gmail_warmup.core.errors import VolumeReachedError
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import MailStatus, Placement
from gmail_warmup.db.rows import convert_rows


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The columns of a ledger row that the actions use. Times are aware; ``seen_at`` is when the row was read."""

    id: int
    token: str
    sender_id: int
    recipient_id: int
    parent_id: int | None
    turn: int
    local_date: date
    status: MailStatus
    claimed_at: datetime
    sent_at: datetime | None
    draft_id: str | None
    subject: str
    language: str | None
    rfc_message_id: str | None
    thread_id: str | None
    placement: Placement | None
    recipient_gmail_id: str | None
    recipient_thread_id: str | None
    read_due_at: datetime | None
    important: bool | None
    starred: bool | None
    seen_at: datetime


NOW: sa.ColumnElement[Any] = sa.func.now()
"""The database clock, as a value for `update_entry`."""

HAS_BOTH_MAILBOXES = sa.and_(L.sender_id.is_not(None), L.recipient_id.is_not(None))

# Conditions on ledger rows, shared by the plan and the actions.
UNSENT = L.status.in_((MailStatus.CLAIMED, MailStatus.DRAFTED))
UNSENT_FIRST = sa.and_(UNSENT, L.parent_id.is_(None))
UNPLACED = sa.and_(
    L.status == MailStatus.SENT, L.parent_id.is_(None), L.placement.is_(None), L.locate_due_at <= sa.func.now()
)
UNRESCUED = sa.and_(L.rescue_due_at <= sa.func.now(), L.rescued_at.is_(None))
UNREAD = sa.and_(
    L.read_due_at <= sa.func.now(),
    L.read_at.is_(None),
    sa.or_(L.rescue_due_at.is_(None), L.rescued_at.is_not(None)),  # mail in spam is rescued before it is read
)
UNMARKED = sa.and_(L.mark_due_at <= sa.func.now(), L.marked_at.is_(None))
UNANSWERED = sa.and_(L.reply_due_at <= sa.func.now(), L.replied_at.is_(None))
UNCOLLECTED = sa.and_(
    L.status == MailStatus.SENT, L.parent_id.is_not(None), L.collected_at.is_(None), L.locate_due_at <= sa.func.now()
)
STRAY_DRAFT_DUE = sa.and_(L.stray_draft_due_at <= sa.func.now(), sa.not_(UNSENT))

# Every query returns the columns of `Entry`, by name.
_COLUMNS = tuple(NOW.label("seen_at") if f.name == "seen_at" else getattr(L, f.name) for f in fields(Entry))
_SELECT = sa.select(*_COLUMNS)


def _to_entry(row: sa.Row[Any]) -> Entry:
    placement = Placement(row.placement) if row.placement else None
    return Entry(**(dict(row._mapping) | {"status": MailStatus(row.status), "placement": placement}))


_SELECT_PENDING = {
    condition: _SELECT.where(L.recipient_id == sa.bindparam("mailbox_id"), condition).order_by(L.id)
    for condition in (UNPLACED, UNRESCUED, UNREAD, UNMARKED, UNANSWERED, UNCOLLECTED)
}


def find_pending_for_recipient(
    connection: sa.Connection, mailbox_id: int, condition: sa.ColumnElement[bool]
) -> list[Entry]:
    """Return a recipient's rows that meet one of the conditions above, oldest first."""
    rows = connection.execute(_SELECT_PENDING[condition], {"mailbox_id": mailbox_id})
    return convert_rows(rows, _to_entry, table=L.__tablename__)


_SELECT_UNSENT = _SELECT.where(L.sender_id == sa.bindparam("mailbox_id"), UNSENT_FIRST).order_by(L.id)


def find_unsent_of_sender(connection: sa.Connection, mailbox_id: int) -> list[Entry]:
    """Return a sender's first mails that are claimed and not sent, oldest first."""
    rows = connection.execute(_SELECT_UNSENT, {"mailbox_id": mailbox_id})
    return convert_rows(rows, _to_entry, table=L.__tablename__)


_SELECT_STRAY = _SELECT.where(L.sender_id == sa.bindparam("mailbox_id"), STRAY_DRAFT_DUE).order_by(L.id)


def find_with_stray_draft(connection: sa.Connection, mailbox_id: int) -> list[Entry]:
    """Return a sender's mails that may have left another draft and are due to be searched for it, oldest first."""
    return [_to_entry(row) for row in connection.execute(_SELECT_STRAY, {"mailbox_id": mailbox_id})]


_SELECT_BY_ID = _SELECT.where(L.id == sa.bindparam("id"))


def get_entry(connection: sa.Connection, entry_id: int) -> Entry:
    """Return one row."""
    return _to_entry(connection.execute(_SELECT_BY_ID, {"id": entry_id}).one())


_SELECT_REPLY = _SELECT.where(L.parent_id == sa.bindparam("parent_id"))


def find_reply(connection: sa.Connection, parent_id: int) -> Entry | None:
    """Return the reply to a mail, if one was claimed."""
    row = connection.execute(_SELECT_REPLY, {"parent_id": parent_id}).one_or_none()
    return _to_entry(row) if row else None


_CHAIN = sa.select(L.id, L.parent_id).where(L.id == sa.bindparam("id")).cte(recursive=True)
_CHAIN = _CHAIN.union_all(sa.select(L.id, L.parent_id).where(L.id == _CHAIN.c.parent_id))
_SELECT_THREAD = _SELECT.where(L.id.in_(sa.select(_CHAIN.c.id))).order_by(L.turn)


def load_thread(connection: sa.Connection, entry: Entry) -> list[Entry]:
    """Return the mails of a thread up to and including this one, first mail first."""
    if entry.parent_id is None:
        return [entry]
    return [_to_entry(row) for row in connection.execute(_SELECT_THREAD, {"id": entry.id})]


def generate_token() -> str:
    """Return a new token of 128 random bits: the mail's identity and the seed of its random decisions."""
    return secrets.token_hex(16)


_CLAIM_COLUMNS = (
    "token", "sender_id", "recipient_id", "parent_id", "turn", "local_date", "slot", "due_at", "subject", "language",
    "text_hash",
)  # fmt: skip
_INSERT_CLAIM = (
    insert(L)
    .values({name: sa.bindparam(name) for name in _CLAIM_COLUMNS})
    .on_conflict_do_nothing()
    .returning(*_COLUMNS)
)
_CHECK_VIOLATION = "23514"
"""PostgreSQL's SQLSTATE for a row that violates a check constraint."""


def claim_entry(
    connection: sa.Connection,
    *,
    token: str,
    sender_id: int,
    recipient_id: int,
    local_date: date,
    due_at: datetime,
    subject: str,
    language: str | None = None,
    text_hash: str | None = None,
    slot: int | None = None,
    parent_id: int | None = None,
    turn: int = 1,
) -> Entry | None:
    """Insert a row, or return None if its slot, or the reply to its parent, is already claimed.

    Args:
        slot: for a first mail only.
        parent_id: for a reply only: the mail that it answers.
        turn: 1 for a first mail, one more for each reply.

    Raises:
        VolumeReachedError: the day's volume is used up, by the database's own count.
    """
    values = {
        "token": token, "sender_id": sender_id, "recipient_id": recipient_id, "parent_id": parent_id, "turn": turn,
        "local_date": local_date, "slot": slot, "due_at": due_at, "subject": subject,
        "language": language, "text_hash": text_hash,
    }  # fmt: skip
    try:
        row = connection.execute(_INSERT_CLAIM, values).one_or_none()
    except IntegrityError as error:
        if getattr(error.orig, "pgcode", None) != _CHECK_VIOLATION:
            raise
        raise VolumeReachedError(f"The volume of {local_date} is used up; nothing more is sent.") from None
    return None if row is None else _to_entry(row)


_STORE_DRAFT = (
    sa.update(L)
    .where(L.id == sa.bindparam("entry"), L.draft_id.is_(None), UNSENT)
    .values(draft_id=sa.bindparam("draft"), status=MailStatus.DRAFTED)
    .returning(*_COLUMNS)
)


def store_draft(connection: sa.Connection, entry_id: int, draft_id: str) -> Entry | None:
    """Store the draft id of a claimed mail and return the row, or None if the row already has a draft."""
    row = connection.execute(_STORE_DRAFT, {"entry": entry_id, "draft": draft_id}).one_or_none()
    return None if row is None else _to_entry(row)


def update_entry(connection: sa.Connection, entry_id: int, *conditions: sa.ColumnElement[bool], **values: Any) -> bool:
    """Update columns of one row if it meets the conditions; return whether it did.

    A row without one of its mailboxes, which was removed, is only a count and never changes.

    Args:
        values: by column; a timedelta is added to the database's current time.
    """
    columns = {name: NOW + value if isinstance(value, timedelta) else value for name, value in values.items()}
    statement = sa.update(L).where(L.id == entry_id, HAS_BOTH_MAILBOXES, *conditions).values(columns)
    return connection.execute(statement).rowcount == 1
