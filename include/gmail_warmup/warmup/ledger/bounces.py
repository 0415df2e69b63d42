"""Bounces and auto-replies in the ledger: where they are searched for, and the rows that they belong to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import BounceKind
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, MailStatus, Placement
from gmail_warmup.gmail.delivery_status import Bounce
from gmail_warmup.warmup.ledger import entries as ledger

SEARCH_DELAY = timedelta(hours=1)
"""Time after which a mailbox that sent is searched for bounces by a task of its own, if no other task did it before."""
CONTINUED_SEARCH_DELAY = timedelta(minutes=15)
"""Time to the next search after one that found more messages than it reads."""
LATE_SEARCH_DELAY = timedelta(hours=6)
"""Time between two searches while mails are neither found nor bounced."""
UNFOUND_DELAY = timedelta(hours=4)
"""Time in which a recipient mostly finds a mail; afterwards its bounce is also searched for outside of its thread."""
ARRIVAL = timedelta(hours=1)
"""Time after sending in which most bounces arrive."""
BOUNCE_SEARCH_PERIOD = timedelta(days=4)
"""For how long a bounce is expected; mail servers retry a delivery for about three days."""


@dataclass(frozen=True, kw_only=True)
class SentMail:
    """A sent mail to which a bounce or an auto-reply may belong."""

    id: int
    recipient: str
    token: str
    rfc_message_id: str
    thread_id: str
    is_of_last_day: bool
    notice_ids: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class BounceWatch:
    """The state of the search for bounces in a mailbox.

    Attributes:
        now: the database's time.
        is_due: whether the time of the search has come; a task with other work in the mailbox searches earlier.
        due_at: that time.
        history_id: Gmail's history id up to which the mailbox was searched; None before the first search.
        unfound_since: when the oldest mail was sent that is neither found nor bounced although its recipient had the
            time to find it; None without such a mail, or if the search is not due.
        read_notice_ids: the messages that the last search found and that were read.
    """

    now: datetime
    is_due: bool
    due_at: datetime | None
    history_id: str | None
    unfound_since: datetime | None
    read_notice_ids: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class SearchTimes:
    """When a mailbox is searched again.

    Attributes:
        soon: if the search found more messages than one check reads; None otherwise.
        next: if mails may still bounce.
        later: if mails are not found.
    """

    soon: datetime | None = None
    next: datetime | None = None
    later: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class KnownMessages:
    """The recently sent mails of a mailbox, and the Gmail ids of the bounces and replies already processed in it."""

    sent_mails: Sequence[SentMail]
    processed_ids: frozenset[str]


_TIME = sa.DateTime(timezone=True)
_IS_SENDER, _IS_MAILBOX = L.sender_id == sa.bindparam("mailbox_id"), Mailbox.id == sa.bindparam("mailbox_id")
_IS_UNFOUND = sa.and_(sa.or_(L.placement.is_(None), L.placement == Placement.MISSING), L.bounced_at.is_(None))
_IS_RECENT = sa.and_(
    L.status == MailStatus.SENT,
    L.sent_at > sa.func.now() - BOUNCE_SEARCH_PERIOD - timedelta(days=1),
    # The indexes contain only the claim time and the date.
    L.claimed_at > sa.func.now() - BOUNCE_SEARCH_PERIOD - timedelta(days=3),
    L.local_date > sa.func.current_date() - 9,
)
_UNFOUND_SINCE = (
    sa.select(sa.func.min(L.sent_at))
    .where(
        _IS_SENDER,
        L.status == MailStatus.SENT,
        L.sent_at > sa.func.now() - BOUNCE_SEARCH_PERIOD,
        L.sent_at <= sa.func.now() - sa.bindparam("patience", type_=sa.Interval),
        _IS_UNFOUND,
    )
    .scalar_subquery()
)


def select_waiting() -> sa.Select[Any]:
    """Return a query of the mailboxes whose search for bounces is due, and since when."""
    columns: tuple[Any, ...] = (Mailbox.id.label("mailbox_id"), Mailbox.notices_due_at.label("since"))
    return sa.select(*columns).where(Mailbox.notices_due_at <= sa.func.now())


_SCHEDULE_SEARCH = (
    sa.update(Mailbox)
    .where(_IS_MAILBOX)
    .values(
        notices_due_at=sa.func.least(Mailbox.notices_due_at, sa.bindparam("due_at", type_=_TIME)),
        history_id=sa.func.coalesce(Mailbox.history_id, sa.bindparam("history")),
    )
)


def schedule_bounce_search(connection: sa.Connection, mailbox_id: int, history_id: str, *, due_at: datetime) -> None:
    """Schedule the search for bounces after a mail was sent; the first mail sets where the history starts.

    The mailbox's row is locked until the transaction ends.
    """
    values = {"mailbox_id": mailbox_id, "due_at": due_at, "history": history_id}
    connection.execute(_SCHEDULE_SEARCH, values)


_IS_DUE = Mailbox.notices_due_at <= sa.func.now()
_SELECT_WATCH = sa.select(
    sa.func.now().label("now"),
    _IS_DUE.label("is_due"),
    Mailbox.notices_due_at.label("due_at"),
    Mailbox.history_id,
    sa.case((_IS_DUE, _UNFOUND_SINCE)).label("unfound_since"),
    Mailbox.read_notice_ids,
).where(_IS_MAILBOX, Mailbox.notices_due_at.is_not(None))


def load_bounce_watch(connection: sa.Connection, mailbox_id: int, *, patience: timedelta) -> BounceWatch | None:
    """Return the state of the search in a mailbox, or None if nothing was sent that could bounce.

    Args:
        patience: time that a recipient has to find a mail before its bounce is searched for.
    """
    row = connection.execute(_SELECT_WATCH, {"mailbox_id": mailbox_id, "patience": patience}).one_or_none()
    if row is None:
        return None
    return BounceWatch(
        now=row.now,
        is_due=row.is_due,
        due_at=row.due_at,
        history_id=row.history_id,
        unfound_since=row.unfound_since,
        read_notice_ids=frozenset(row.read_notice_ids),
    )


_IS_OF_LAST_DAY = L.sent_at > sa.func.now() - timedelta(days=1)
_SELECT_SENT = (
    sa.select(
        L.id, Mailbox.address.label("recipient"), L.token, L.rfc_message_id, L.thread_id, L.notice_ids,
        _IS_OF_LAST_DAY.label("is_of_last_day"),
    )
    .join_from(L, Mailbox, Mailbox.id == L.recipient_id)
    .where(_IS_SENDER, _IS_RECENT)
    .order_by(L.id.desc())
)  # fmt: skip
_SELECT_RECEIVED_IDS = sa.select(L.recipient_gmail_id).where(
    L.recipient_id == sa.bindparam("mailbox_id"), _IS_RECENT, L.recipient_gmail_id.is_not(None)
)


def load_known_messages(connection: sa.Connection, mailbox_id: int) -> KnownMessages:
    """Return the mails to which a bounce or an auto-reply in a mailbox may belong."""
    parameters = {"mailbox_id": mailbox_id}
    sent = connection.execute(_SELECT_SENT, parameters).all()
    received_ids = connection.scalars(_SELECT_RECEIVED_IDS, parameters)
    return KnownMessages(
        sent_mails=[SentMail(**row._mapping) for row in sent],
        processed_ids=frozenset(filter(None, received_ids)).union(*(row.notice_ids for row in sent)),
    )


_MAY_BOUNCE = sa.exists().where(
    _IS_SENDER, _IS_RECENT, L.sent_at > sa.func.now() - sa.bindparam("arrival", type_=sa.Interval)
)


def _build_time(name: str) -> sa.ColumnElement[Any]:
    """Return a parameter with its type in the statement, which a null alone does not have."""
    return sa.cast(sa.bindparam(name, type_=_TIME), _TIME)


_RECORD_SEARCH = (
    sa.update(Mailbox)
    .where(_IS_MAILBOX)
    .values(
        history_id=sa.bindparam("history"),
        notices_due_at=sa.func.coalesce(
            _build_time("soon"),
            sa.case((_MAY_BOUNCE, _build_time("next")), (_UNFOUND_SINCE.is_not(None), _build_time("later"))),
        ),
    )
)


def record_bounce_search(
    connection: sa.Connection, mailbox_id: int, history_id: str, *, times: SearchTimes, arrival: timedelta
) -> None:
    """Store up to where a mailbox was searched, and schedule the next search: soon, later, or after its next mail.

    Args:
        arrival: ``ARRIVAL``, shortened in a demonstration.
    """
    values = {"mailbox_id": mailbox_id, "history": history_id, "patience": timedelta(0)}
    due_times = {"soon": times.soon, "next": times.next, "later": times.later}
    connection.execute(_RECORD_SEARCH, values | due_times | {"arrival": arrival})


_STORE_READ_NOTICES = (
    sa.update(Mailbox).where(_IS_MAILBOX).values(read_notice_ids=sa.bindparam("ids", type_=sa.ARRAY(sa.Text)))
)


def store_read_notices(connection: sa.Connection, mailbox_id: int, message_ids: Collection[str]) -> None:
    """Store which messages of the last search were read; earlier ones are forgotten, because they are too old."""
    connection.execute(_STORE_READ_NOTICES, {"mailbox_id": mailbox_id, "ids": sorted(message_ids)})


def store_bounce(connection: sa.Connection, entry_id: int, message_id: str, bounce: Bounce) -> bool:
    """Store a bounce in the row of its mail and return whether it is final and new.

    A mail that its recipient found did not bounce, whatever the notice says.
    """
    _store_notice(connection, entry_id, message_id, **_to_columns(bounce))
    if not bounce.is_final:
        return False
    return ledger.update_entry(connection, entry_id, _IS_UNFOUND, bounced_at=ledger.NOW, locate_due_at=None)


def store_limit_notice(connection: sa.Connection, entry_id: int, message_id: str, bounce: Bounce) -> bool:
    """Record that Google did not send a mail, because the sending limit was reached; return whether that is new.

    Its row ends as ``failed``, so its recipient does not search for it.
    """
    _store_notice(connection, entry_id, message_id, **_to_columns(bounce))
    values = {"status": MailStatus.FAILED, "failure": BounceKind.SENDING_LIMIT, "locate_due_at": None}
    return ledger.update_entry(connection, entry_id, _IS_UNFOUND, L.status == MailStatus.SENT, **values)


def _to_columns(bounce: Bounce) -> dict[str, Any]:
    return {"bounce_status": bounce.status, "bounce_kind": bounce.kind, "bounce_text": bounce.text or None}


def record_auto_reply(connection: sa.Connection, entry_id: int, message_id: str) -> None:
    """Store an auto-reply in the row of its mail; it is not a reply, so nothing is counted."""
    _store_notice(connection, entry_id, message_id, auto_replied_at=sa.func.coalesce(L.auto_replied_at, ledger.NOW))


def _store_notice(connection: sa.Connection, entry_id: int, message_id: str, **values: Any) -> None:
    is_new = ~L.notice_ids.contains([message_id])
    notice_ids = sa.func.array_append(L.notice_ids, message_id)
    ledger.update_entry(connection, entry_id, is_new, notice_ids=notice_ids, **values)
