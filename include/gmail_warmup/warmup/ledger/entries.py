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

from gmail_warmup.core.errors import VolumeReachedError
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailboxDay, MailStatus, Placement
from gmail_warmup.warmup.health import monitor


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
class RateState:
    """What is drawn for a sender's first mails: its rates, and how many mails there were for each."""

    open_rate: int
    reply_rate: int
    placed: int
    opened: int
    answered: int
    now: datetime


NOW: sa.ColumnElement[Any] = sa.func.now()
"""The database's time, as the value of a column in `update`."""

RATE_COLUMNS = ("mails_placed", "mails_opened", "mails_answered")
"""Columns of ``mailbox`` by which the rates hold over the whole ledger without reading it."""

_CHECK_VIOLATION = "23514"
"""PostgreSQL's code (SQLSTATE) of a row that a check refuses."""

_FIELDS = tuple(Entry.__dataclass_fields__)
_COLUMNS = (*(getattr(L, name) for name in _FIELDS[:-1]), NOW.label("seen_at"))
_SELECT = sa.select(*_COLUMNS)

# Statements of every mail are built once: building one costs as much as executing it.
_BY_ID = _SELECT.where(L.id == sa.bindparam("id"))
_SELECT_REPLY = _SELECT.where(L.parent_id == sa.bindparam("parent_id"))
_CLAIM_COLUMNS = ("token", "sender_id", "recipient_id", "parent_id", "turn", "local_date", "slot", "due_at", "subject")
_CLAIM = (
    insert(L)
    .values({name: sa.bindparam(name) for name in _CLAIM_COLUMNS})
    .on_conflict_do_nothing()
    .returning(*_COLUMNS)
)
_CHAIN = sa.select(L.id, L.parent_id).where(L.id == sa.bindparam("id")).cte(recursive=True)
_CHAIN = _CHAIN.union_all(sa.select(L.id, L.parent_id).where(L.id == _CHAIN.c.parent_id))
_THREAD = _SELECT.where(L.id.in_(sa.select(_CHAIN.c.id))).order_by(L.turn)
_LOCK_SENDER = sa.select(Mailbox.id).where(Mailbox.id == sa.bindparam("id")).with_for_update(key_share=True)
_COUNT_WARMUP_DAY = (
    sa.update(Mailbox).where(Mailbox.id == sa.bindparam("mailbox")).values(warmup_days=Mailbox.warmup_days + 1)
)
_SELECT_RATE_STATE = (
    sa.select(
        Mailbox.open_rate, Mailbox.reply_rate, Mailbox.mails_placed.label("placed"),
        Mailbox.mails_opened.label("opened"), Mailbox.mails_answered.label("answered"), NOW.label("now"),
    )
    .where(Mailbox.id == sa.bindparam("id"))
    .with_for_update(key_share=True)
)  # fmt: skip
_RECORD_RATE_DECISION = (
    sa.update(Mailbox)
    .where(Mailbox.id == sa.bindparam("mailbox"))
    .values({name: getattr(Mailbox, name) + sa.bindparam(f"more_{name}") for name in RATE_COLUMNS})
)


def _to_entry(row: sa.Row[Any]) -> Entry:
    values = dict(zip(_FIELDS, row, strict=True))
    values["status"] = MailStatus(row.status)
    values["placement"] = Placement(row.placement) if row.placement else None
    return Entry(**values)


# what is due, as conditions on the ledger; the plan and the actions share them
UNSENT = L.status.in_((MailStatus.CLAIMED, MailStatus.DRAFTED))
NOT_PLACED, NOT_READ, NOT_RESCUED, NOT_COLLECTED, WILL_BE_READ, WILL_BE_ANSWERED = (
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


def _select_entries(side: Any, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return _SELECT.where(side == sa.bindparam("mailbox_id"), condition).order_by(L.id)


_SELECT_PENDING = {
    condition: _select_entries(L.recipient_id, condition)
    for condition in (UNPLACED, UNRESCUED, UNREAD, UNMARKED, UNANSWERED, UNCOLLECTED)
}
_SELECT_UNSENT = _select_entries(L.sender_id, UNSENT_FIRST)


def find_pending_for_recipient(
    connection: sa.Connection, mailbox_id: int, condition: sa.ColumnElement[bool]
) -> list[Entry]:
    """Return a recipient's rows that meet one of the conditions above, the oldest first."""
    return [_to_entry(row) for row in connection.execute(_SELECT_PENDING[condition], {"mailbox_id": mailbox_id})]


def find_unsent_of_sender(connection: sa.Connection, mailbox_id: int) -> list[Entry]:
    """Return a sender's first mails that are claimed and not sent, the oldest first."""
    return [_to_entry(row) for row in connection.execute(_SELECT_UNSENT, {"mailbox_id": mailbox_id})]


def get_entry(connection: sa.Connection, entry_id: int) -> Entry:
    """Return one row."""
    return _to_entry(connection.execute(_BY_ID, {"id": entry_id}).one())


def generate_token() -> str:
    """Return a fresh token of 128 random bits; it is the mail's identity and the seed of all its draws."""
    return secrets.token_hex(16)


def claim_entry(
    connection: sa.Connection,
    *,
    token: str,
    sender_id: int,
    recipient_id: int,
    local_date: date,
    due_at: datetime,
    subject: str,
    slot: int | None = None,
    parent_id: int | None = None,
    turn: int = 1,
) -> Entry | None:
    """Insert a row, or return None where its slot, or the mail it answers, is taken.

    Args:
        slot: of a first mail.
        parent_id: the mail that a reply answers.
        turn: 1 for a first mail, one more with each reply.

    Raises:
        VolumeReachedError: the day's volume is used up, by the database's own count.
    """
    values = {
        "token": token, "sender_id": sender_id, "recipient_id": recipient_id, "parent_id": parent_id, "turn": turn,
        "local_date": local_date, "slot": slot, "due_at": due_at, "subject": subject,
    }  # fmt: skip
    try:
        row = connection.execute(_CLAIM, values).one_or_none()
    except IntegrityError as error:
        if getattr(error.orig, "pgcode", None) != _CHECK_VIOLATION:
            raise
        raise VolumeReachedError(f"The volume of {local_date} is used up; nothing more is sent.") from None
    return None if row is None else _to_entry(row)


def find_reply(connection: sa.Connection, parent_id: int) -> Entry | None:
    """Return the reply to a mail, if one was claimed."""
    row = connection.execute(_SELECT_REPLY, {"parent_id": parent_id}).one_or_none()
    return _to_entry(row) if row else None


def load_thread(connection: sa.Connection, entry: Entry) -> list[Entry]:
    """Return the mails of a thread up to and including one of them, the first one first."""
    if entry.parent_id is None:
        return [entry]
    return [_to_entry(row) for row in connection.execute(_THREAD, {"id": entry.id})]


def update_entry(connection: sa.Connection, entry_id: int, *only_if: sa.ColumnElement[bool], **values: Any) -> bool:
    """Change columns of one row if the conditions hold; tell whether they did.

    Args:
        values: plain ones, `NOW`, a timedelta for so long from now, or any other expression.
    """
    plain: dict[str, Any] = {name: value for name, value in values.items() if not isinstance(value, sa.ClauseElement)}
    statement = _build_update(
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
def _build_update(
    only_if: tuple[sa.ColumnElement[bool], ...], plain: frozenset[str], now: frozenset[str], later: frozenset[str]
) -> sa.Update:
    values: dict[str, Any] = {
        name: sa.bindparam(f"to_{name}", type_=L.__table__.c[name].type) for name in plain - later
    }
    values |= dict.fromkeys(now, NOW)
    values |= {name: NOW + sa.bindparam(f"to_{name}", type_=sa.Interval) for name in later}
    return sa.update(L).where(L.id == sa.bindparam("entry"), *only_if).values(values)


def _prepare_update(*only_if: sa.ColumnElement[bool], plain: str = "", now: str = "", later: str = "") -> sa.Update:
    return _build_update(
        only_if, frozenset((plain + " " + later).split()), frozenset(now.split()), frozenset(later.split())
    )


# What becomes of nearly every mail, one after the other, as the actions ask for it of `update`: sent, answered, placed,
# rescued, read, marked, and an answer found and collected.
_COMMON_UPDATES = (
    _prepare_update(
        NOT_SENT, plain="status gmail_id thread_id rfc_message_id", now="sent_at", later="locate_due_at trash_due_at"
    ),
    _prepare_update(now="replied_at"),
    _prepare_update(
        NOT_PLACED, plain="placement recipient_gmail_id recipient_thread_id rescue_due_at read_due_at mark_due_at",
        now="placed_at",
    ),
    _prepare_update(NOT_RESCUED, now="rescued_at"),
    _prepare_update(NOT_RESCUED, now="rescued_at mark_due_at"),
    _prepare_update(NOT_READ, plain="important starred mark_due_at reply_due_at", now="read_at"),
    _prepare_update(now="marked_at"),
    _prepare_update(plain="placement recipient_gmail_id recipient_thread_id", now="placed_at"),
    _prepare_update(NOT_COLLECTED, plain="rescued_at reply_due_at", now="collected_at"),
    _prepare_update(NOT_COLLECTED, plain="reply_due_at", now="rescued_at collected_at"),
)  # fmt: skip


def store_draft(connection: sa.Connection, entry_id: int, draft_id: str) -> Entry | None:
    """Store the draft of a claimed mail, the first one alone; return the row, or None where there is one already."""
    row = connection.execute(_STORE_DRAFT, {"entry": entry_id, "draft": draft_id}).one_or_none()
    return None if row is None else _to_entry(row)


_STORE_DRAFT = (
    sa.update(L)
    .where(L.id == sa.bindparam("entry"), L.draft_id.is_(None), UNSENT)
    .values(draft_id=sa.bindparam("draft"), status=MailStatus.DRAFTED)
    .returning(*_COLUMNS)
)
_HEALTH_COUNTERS = frozenset({"inbox", "spam", "elsewhere", "missing", "bounced"})
"""Counts that say how a mailbox fares."""
_PLACEMENT_COUNTERS = {Placement.INBOX: "inbox", Placement.SPAM: "spam", Placement.MISSING: "missing"}


def get_placement_counter(placement: Placement) -> str:
    """Return the name under which a placement is counted."""
    return _PLACEMENT_COUNTERS.get(placement, "elsewhere")


def fix_daily_volume(
    connection: sa.Connection,
    mailbox_id: int,
    local_date: date,
    *,
    ramp: int,
    planned: int,
    reduction_reason: str | None,
) -> int:
    """Fix the volume of a sender's day before its first claim; later calls can only lower it. Return what holds.

    The database refuses a claim beyond it, and none is possible before this: see ``MailboxDay``.

    Args:
        ramp: mails that the ramp alone allows.
        planned: mails that are to be sent.
        reduction_reason: the reason code for the difference, if there is one.
    """
    day = {"mailbox_id": mailbox_id, "local_date": local_date, "ramp": ramp, "planned": planned}
    return int(connection.execute(_FIX_DAILY_VOLUME, day | {"reduction_reason": reduction_reason}).scalar_one())


_D = MailboxDay
_NEW_DAY = insert(_D).values(
    {name: sa.bindparam(name) for name in ("mailbox_id", "local_date", "ramp", "planned", "reduction_reason")}
)
_FIX_DAILY_VOLUME = _NEW_DAY.on_conflict_do_update(
    index_elements=[_D.mailbox_id, _D.local_date],
    set_={
        "planned": sa.func.greatest(_D.claimed, sa.func.least(_D.planned, _NEW_DAY.excluded.planned)),
        "reduction_reason": sa.case(
            (_NEW_DAY.excluded.planned < _D.planned, _NEW_DAY.excluded.reduction_reason), else_=_D.reduction_reason
        ),
    },
).returning(_D.planned)


def record_reduction(connection: sa.Connection, mailbox_id: int, local_date: date, reason: str) -> None:
    """Keep why a sender sends less than planned on a day, for the page; a pool mailbox has no such day."""
    connection.execute(_RECORD_REDUCTION, {"mailbox": mailbox_id, "day": local_date, "reason": reason})


_UPDATE_DAY = sa.update(_D).where(_D.mailbox_id == sa.bindparam("mailbox"), _D.local_date == sa.bindparam("day"))
_RECORD_REDUCTION = _UPDATE_DAY.values(reduction_reason=sa.bindparam("reason"))
_INCREMENT_COUNTER = {
    name: _UPDATE_DAY.values({name: getattr(_D, name) + 1}).returning(_D.sent)
    for name in ("sent", "failed", "missing", "bounced", "inbox", "spam", "elsewhere", "rescued", "read", "replied")
}


def count_outcome(connection: sa.Connection, entry: Entry, name: str, *, locked: bool = False) -> None:
    """Count what became of a first mail on its sender's day; in the transaction that writes it into the ledger.

    A reply is counted with the mail that it answers, so nothing is counted for the reply itself.

    Args:
        name: the column of ``mailbox_day`` that grows by one. Where it says how the mailbox fares, its health is
            looked at.
        locked: the caller has locked the sender's row.
    """
    if entry.parent_id is not None:
        return
    if not locked:
        # First the mailbox and then its day, as everybody does, so that nobody waits for each other.
        connection.execute(_LOCK_SENDER, {"id": entry.sender_id})
    day = {"mailbox": entry.sender_id, "day": entry.local_date}
    sent = connection.execute(_INCREMENT_COUNTER[name], day).scalar_one()
    if name == "sent" and sent == 1:
        connection.execute(_COUNT_WARMUP_DAY, {"mailbox": entry.sender_id})
    if name in _HEALTH_COUNTERS:
        monitor.update_health_band(connection, entry.sender_id)


def load_rate_state(connection: sa.Connection, sender_id: int) -> RateState:
    """Return what the next draw of a sender goes by.

    Two recipients of one sender draw at the same time: its row, locked until the transaction ends, orders them, so that
    the rates hold.
    """
    return RateState(**connection.execute(_SELECT_RATE_STATE, {"id": sender_id}).one()._mapping)


def record_rate_decision(
    connection: sa.Connection, entry: Entry, *, placed: int = 0, opened: int = 0, answered: int = 0
) -> None:
    """Count what was drawn for a first mail, or, with -1, what turned out not to be possible."""
    if entry.parent_id is None:
        more = dict(zip((f"more_{name}" for name in RATE_COLUMNS), (placed, opened, answered), strict=True))
        connection.execute(_RECORD_RATE_DECISION, {"mailbox": entry.sender_id} | more)
