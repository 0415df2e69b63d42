"""The ledger: one row per warmup mail, from the claim of its slot to what became of it.

Every function takes a connection inside the caller's transaction; each step of a mail is committed before the next
one begins, so that whatever dies, the row says what is left to do.
"""

from __future__ import annotations

import functools
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailboxDay, MailStatus, Placement
from gmail_warmup.errors import VolumeReachedError
from gmail_warmup.warmup import checkup


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the ledger as the actions need it. Times are aware; ``seen_at`` is when it was like this."""

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
    rfc_message_id: str | None
    thread_id: str | None
    placement: Placement | None
    recipient_gmail_id: str | None
    recipient_thread_id: str | None
    read_due_at: datetime | None
    important: bool | None
    starred: bool | None
    seen_at: datetime


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What is drawn for a sender's first mails: its rates, and how many mails there were for each."""

    open_rate: int
    reply_rate: int
    placed: int
    opened: int
    answered: int
    now: datetime


NOW: sa.ColumnElement[Any] = sa.func.now()
"""The database's time, as the value of a column in `update`."""

DRAWN = ("mails_placed", "mails_opened", "mails_answered")
"""Columns of ``mailbox`` by which the rates hold over the whole ledger without reading it."""

_CHECK_VIOLATION = "23514"
"""PostgreSQL's code (SQLSTATE) of a row that a check refuses."""

_FIELDS = tuple(Entry.__dataclass_fields__)
_COLUMNS = (*(getattr(L, name) for name in _FIELDS[:-1]), NOW.label("seen_at"))
_SELECT = sa.select(*_COLUMNS)

# Statements of every mail are built once: building one costs as much as executing it.
_BY_ID = _SELECT.where(L.id == sa.bindparam("id"))
_REPLY_TO = _SELECT.where(L.parent_id == sa.bindparam("parent_id"))
_CLAIM = insert(L).on_conflict_do_nothing().returning(*_COLUMNS)
_LOCK_SENDER = sa.select(Mailbox.id).where(Mailbox.id == sa.bindparam("id")).with_for_update(key_share=True)
_FIRST_OF_DAY = (
    sa.update(Mailbox).where(Mailbox.id == sa.bindparam("mailbox")).values(warmup_days=Mailbox.warmup_days + 1)
)
_DRAWS = (
    sa.select(
        Mailbox.open_rate, Mailbox.reply_rate, Mailbox.mails_placed.label("placed"),
        Mailbox.mails_opened.label("opened"), Mailbox.mails_answered.label("answered"), NOW.label("now"),
    )
    .where(Mailbox.id == sa.bindparam("id"))
    .with_for_update(key_share=True)
)  # fmt: skip
_DREW = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.bindparam("mailbox"))
    .values({name: getattr(Mailbox, name) + sa.bindparam(f"more_{name}") for name in DRAWN})
)


def _entry(row: sa.Row[Any]) -> Entry:
    values = dict(zip(_FIELDS, row, strict=True))
    values["status"] = MailStatus(row.status)
    values["placement"] = Placement(row.placement) if row.placement else None
    return Entry(**values)


# what is due, as conditions on the ledger; the plan and the actions share them
UNSENT = L.status.in_((MailStatus.CLAIMED, MailStatus.DRAFTED))
NOT_PLACED, NOT_READ, NOT_RESCUED, NOT_COLLECTED, TO_READ, TO_ANSWER = (
    L.placement.is_(None), L.read_at.is_(None), L.rescued_at.is_(None), L.collected_at.is_(None),
    L.read_due_at.is_not(None), L.reply_due_at.is_not(None),
)  # fmt: skip
NOT_SENT = L.status != MailStatus.SENT
UNSENT_FIRST = sa.and_(UNSENT, L.parent_id.is_(None))
UNPLACED = sa.and_(
    L.status == MailStatus.SENT, L.parent_id.is_(None), L.placement.is_(None), L.locate_due_at <= sa.func.now()
)
UNRESCUED = sa.and_(L.rescue_due_at <= sa.func.now(), L.rescued_at.is_(None))
UNREAD = sa.and_(
    L.read_due_at <= sa.func.now(),
    L.read_at.is_(None),
    sa.or_(L.rescue_due_at.is_(None), L.rescued_at.is_not(None)),  # what lies in spam is rescued first
)
UNMARKED = sa.and_(L.mark_due_at <= sa.func.now(), L.marked_at.is_(None))
UNANSWERED = sa.and_(L.reply_due_at <= sa.func.now(), L.replied_at.is_(None))
UNCOLLECTED = sa.and_(
    L.status == MailStatus.SENT, L.parent_id.is_not(None), L.collected_at.is_(None), L.locate_due_at <= sa.func.now()
)


def of_recipient(connection: sa.Connection, mailbox_id: int, *conditions: sa.ColumnElement[bool]) -> list[Entry]:
    """Return a recipient's rows that meet one of the conditions, the oldest first."""
    query = _of(L.recipient_id, *conditions)
    return [_entry(row) for row in connection.execute(query, {"mailbox_id": mailbox_id})]


def of_sender(connection: sa.Connection, mailbox_id: int, condition: sa.ColumnElement[bool]) -> list[Entry]:
    """Return a sender's rows that meet the condition, the oldest first."""
    query = _of(L.sender_id, condition)
    return [_entry(row) for row in connection.execute(query, {"mailbox_id": mailbox_id})]


@functools.cache
def _of(side: Any, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
    # The conditions are the few of this module, each an object of its own.
    return _SELECT.where(side == sa.bindparam("mailbox_id"), sa.or_(*conditions)).order_by(L.id)


def get(connection: sa.Connection, entry_id: int) -> Entry:
    """Return one row."""
    return _entry(connection.execute(_BY_ID, {"id": entry_id}).one())


def new_token() -> str:
    """Return a fresh token of 128 random bits; it is the mail's identity and the seed of all its draws."""
    return secrets.token_hex(16)


def claim(connection: sa.Connection, **values: Any) -> Entry | None:
    """Insert a row, or return None where its slot, or the mail it answers, is taken.

    Raises:
        VolumeReachedError: the day's volume is used up, by the database's own count.
    """
    try:
        row = connection.execute(_CLAIM, values).one_or_none()
    except IntegrityError as error:
        if getattr(error.orig, "pgcode", None) != _CHECK_VIOLATION:
            raise
        raise VolumeReachedError(f"The volume of {values['local_date']} is used up; nothing more is sent.") from None
    return None if row is None else _entry(row)


def reply_to(connection: sa.Connection, parent_id: int) -> Entry | None:
    """Return the reply to a mail, if one was claimed."""
    row = connection.execute(_REPLY_TO, {"parent_id": parent_id}).one_or_none()
    return _entry(row) if row else None


def thread_of(connection: sa.Connection, entry: Entry) -> list[Entry]:
    """Return the mails of a thread up to and including one of them, the first one first."""
    if entry.parent_id is None:
        return [entry]
    return [_entry(row) for row in connection.execute(_thread(), {"id": entry.id})]


@functools.cache
def _thread() -> sa.Select[Any]:
    chain = sa.select(L.id, L.parent_id).where(L.id == sa.bindparam("id")).cte(recursive=True)
    chain = chain.union_all(sa.select(L.id, L.parent_id).where(L.id == chain.c.parent_id))
    return _SELECT.where(L.id.in_(sa.select(chain.c.id))).order_by(L.turn)


def update(connection: sa.Connection, entry_id: int, *only_if: sa.ColumnElement[bool], **values: Any) -> bool:
    """Change columns of one row if the conditions hold; tell whether they did.

    Args:
        values: plain ones, `NOW`, a timedelta for so long from now, or any other expression.
    """
    plain: dict[str, Any] = {name: value for name, value in values.items() if not isinstance(value, sa.ClauseElement)}
    statement = _change(
        only_if,
        frozenset(plain),
        frozenset(name for name, value in values.items() if value is NOW),
        frozenset(name for name, value in plain.items() if isinstance(value, timedelta)),
    )
    further = {name: value for name, value in values.items() if name not in plain and value is not NOW}
    statement = statement.values(further) if further else statement
    chosen = {f"to_{name}": value for name, value in plain.items()}
    return connection.execute(statement, {"entry": entry_id} | chosen).rowcount == 1


# The conditions are mostly those of this module, each an object of its own; others push each other out.
@functools.lru_cache(maxsize=128)
def _change(
    only_if: tuple[sa.ColumnElement[bool], ...], plain: frozenset[str], now: frozenset[str], later: frozenset[str]
) -> sa.Update:
    values: dict[str, Any] = {
        name: sa.bindparam(f"to_{name}", type_=L.__table__.c[name].type) for name in plain - later
    }
    values |= dict.fromkeys(now, NOW)
    values |= {name: NOW + sa.bindparam(f"to_{name}", type_=sa.Interval) for name in later}
    return sa.update(L).where(L.id == sa.bindparam("entry"), *only_if).values(values)


def put_draft(connection: sa.Connection, entry_id: int, draft_id: str) -> Entry | None:
    """Store the draft of a claimed mail, the first one alone; return the row, or None where there is one already."""
    row = connection.execute(_put_draft(), {"entry": entry_id, "draft": draft_id}).one_or_none()
    return None if row is None else _entry(row)


@functools.cache
def _put_draft() -> Any:
    statement = sa.update(L).where(L.id == sa.bindparam("entry"), L.draft_id.is_(None), UNSENT)
    return statement.values(draft_id=sa.bindparam("draft"), status=MailStatus.DRAFTED).returning(*_COLUMNS)


_SIGNS = frozenset({"inbox", "spam", "elsewhere", "missing", "bounced"})
"""Counts that say how a mailbox fares."""
_PLACED = {Placement.INBOX: "inbox", Placement.SPAM: "spam", Placement.MISSING: "missing"}


def placed_as(placement: Placement) -> str:
    """Return the name under which a placement is counted."""
    return _PLACED.get(placement, "elsewhere")


def open_day(
    connection: sa.Connection, mailbox_id: int, local_date: date, *, ramp: int, planned: int, lowered_by: str | None
) -> int:
    """Fix the volume of a sender's day before its first claim; later calls can only lower it. Return what holds.

    The database refuses a claim beyond it, and none is possible before this: see ``MailboxDay``.

    Args:
        ramp: mails that the ramp alone allows.
        planned: mails that are to be sent.
        lowered_by: the reason code for the difference, if there is one.
    """
    day = {"mailbox_id": mailbox_id, "local_date": local_date, "ramp": ramp, "planned": planned}
    return int(connection.execute(_open_day(), day | {"lowered_by": lowered_by}).scalar_one())


@functools.cache
def _open_day() -> Any:
    D = MailboxDay
    statement = insert(D).values(
        {name: sa.bindparam(name) for name in ("mailbox_id", "local_date", "ramp", "planned", "lowered_by")}
    )
    lower = statement.excluded.planned < D.planned
    statement = statement.on_conflict_do_update(
        index_elements=[D.mailbox_id, D.local_date],
        set_={
            "planned": sa.func.greatest(D.claimed, sa.func.least(D.planned, statement.excluded.planned)),
            "lowered_by": sa.case((lower, statement.excluded.lowered_by), else_=D.lowered_by),
        },
    )
    return statement.returning(D.planned)


def lowered(connection: sa.Connection, mailbox_id: int, local_date: date, reason: str) -> None:
    """Keep why a sender sends less than planned on a day, for the page; a pool mailbox has no such day."""
    statement = sa.update(MailboxDay).where(MailboxDay.mailbox_id == mailbox_id, MailboxDay.local_date == local_date)
    connection.execute(statement.values(lowered_by=reason))


def tally(connection: sa.Connection, entry: Entry, *names: str, locked: bool = False) -> None:
    """Count what became of a first mail on its sender's day; in the transaction that writes it into the ledger.

    A reply is counted with the mail that it answers, so nothing is counted for the reply itself.

    Args:
        names: columns of ``mailbox_day`` that each grow by one. Where they say how the mailbox fares, its health is
            looked at.
        locked: the caller has locked the sender's row.
    """
    if entry.parent_id is not None:
        return
    if not locked:
        # First the mailbox and then its day, as everybody does, so that nobody waits for each other.
        connection.execute(_LOCK_SENDER, {"id": entry.sender_id})
    day = {"mailbox": entry.sender_id, "day": entry.local_date}
    sent = connection.execute(_grow(*names), day).scalar_one()
    if "sent" in names and sent == 1:
        connection.execute(_FIRST_OF_DAY, {"mailbox": entry.sender_id})
    if _SIGNS.intersection(names):
        checkup.check_up(connection, entry.sender_id)


@functools.cache
def _grow(*names: str) -> Any:
    D = MailboxDay
    grown = {name: getattr(D, name) + 1 for name in names}
    of_day = (D.mailbox_id == sa.bindparam("mailbox"), D.local_date == sa.bindparam("day"))
    return sa.update(D).where(*of_day).values(grown).returning(D.sent)


def draws_of(connection: sa.Connection, sender_id: int) -> Draws:
    """Return what the next draw of a sender goes by.

    Two recipients of one sender draw at the same time: its row, locked until the transaction ends, orders them, so that
    the rates hold.
    """
    return Draws(**connection.execute(_DRAWS, {"id": sender_id}).one()._mapping)


def drew(connection: sa.Connection, entry: Entry, *, placed: int = 0, opened: int = 0, answered: int = 0) -> None:
    """Count what was drawn for a first mail, or, with -1, what turned out not to be possible."""
    if entry.parent_id is None:
        more = dict(zip((f"more_{name}" for name in DRAWN), (placed, opened, answered), strict=True))
        connection.execute(_DREW, {"mailbox": entry.sender_id} | more)
