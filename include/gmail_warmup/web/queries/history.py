"""What became of one mailbox: its days, the history of its grant and its mails; the page and the API show the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.db import clock
from gmail_warmup.db.models import (
    LEDGER_HISTORY,
    LEDGER_MIN_AGE,
    GrantEvent,
    GrantState,
    Mailbox,
    MailboxDay,
    MailboxKind,
    MailStatus,
    Placement,
)
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.ledger.entries import get_placement_counter

DEFAULT_DAYS = 30
EVENTS_PER_PAGE = 10
MAILS_PER_PAGE = 50

_OTHER_REASONS = {
    "auth_grant": "It is reached by its owner's consent from now on.",
    "auth_delegated": "It is reached by a service account from now on.",
}


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class MailTotals(_FrozenModel):
    """Numbers of first mails; replies are counted with the mail that they answer."""

    planned: int = Field(0, description="Mails that the ramp allowed; 0 for a pool mailbox.")
    sent: int = Field(0, description="Mails that a warmup mailbox sent; 0 for a pool mailbox.")
    received: int = Field(0, description="Mails sent to a pool mailbox; 0 for a warmup mailbox.")
    inbox: int = 0
    elsewhere: int = Field(0, description="In another tab or folder than inbox and spam.")
    spam: int = 0
    missing: int = Field(0, description="Not found at the recipient.")
    rescued: int = 0
    read: int = 0
    replied: int = 0


class Day(MailTotals):
    """One day in the mailbox's own zone, by the day on which its mails were sent."""

    date: dt.date


class Event(_FrozenModel):
    """One transition of the grant."""

    id: int
    at: dt.datetime
    actor: str = Field(description="Who or what caused it.")
    from_state: GrantState | None
    to_state: GrantState
    reason: str | None = Field(description="The reason code.")
    sentence: str = Field(description="The reason in words.")
    dag_id: str | None
    run_id: str | None = Field(description="The DAG run that caused it, if one did.")


class Direction(StrEnum):
    """Which way a mail went, seen from the mailbox."""

    SENT = "sent"
    RECEIVED = "received"


class Mail(_FrozenModel):
    """One warmup mail or reply, seen from one of its two mailboxes."""

    id: int
    direction: Direction
    partner: str = Field(description="The address of the other mailbox.")
    subject: str
    is_reply: bool
    status: MailStatus
    failure: str | None
    due_at: dt.datetime
    sent_at: dt.datetime | None
    placement: Placement | None = Field(description="Where Gmail put it; null before anybody looked, and for a reply.")
    rescued_at: dt.datetime | None
    read_at: dt.datetime | None
    replied_at: dt.datetime | None


class Events(_FrozenModel):
    """Transitions, the newest first."""

    history: list[Event]
    next_before: int | None = Field(description="Give it as `before` to have older ones.")


class Mails(_FrozenModel):
    """Mails, the newest first."""

    mails: list[Mail]
    next_before: int | None = Field(description="Give it as `before` to have older ones.")


def load_days(
    connection: sa.Connection, record: MailboxRecord, *, now: dt.datetime, count: int = DEFAULT_DAYS
) -> list[Day]:
    """Return the mailbox's last days with today, the oldest first; a day without mails is there and holds zeros."""
    today = now.astimezone(record.zone).date()
    wanted = [today - dt.timedelta(days=back) for back in reversed(range(count))]
    query = (
        _select_sent(record, wanted[0])
        if record.kind is MailboxKind.WARMUP
        else _select_received(record, wanted[0], now)
    )
    known = {row.date: Day.model_validate(row) for row in connection.execute(query)}
    return [known.get(date) or Day(date=date) for date in wanted]


def _select_sent(record: MailboxRecord, first: dt.date) -> sa.Select[Any]:
    names = [name for name in MailTotals.model_fields if name != "received"]
    columns = [getattr(MailboxDay, name) for name in names]
    return sa.select(MailboxDay.local_date.label("date"), *columns).where(
        MailboxDay.mailbox_id == record.id, MailboxDay.local_date >= first
    )


def _select_received(record: MailboxRecord, first: dt.date, now: dt.datetime) -> sa.Select[Any]:
    # A mail is sent soon after its claim, and no zone is a day away: the index finds all of them and few more.
    since = dt.datetime.combine(first, dt.time(), dt.UTC) - dt.timedelta(days=2)
    ledger = _select_received_rows(L.__table__, record, since)
    old = since < now - LEDGER_MIN_AGE
    mine = (ledger.union_all(_select_received_rows(LEDGER_HISTORY, record, since)) if old else ledger).subquery()
    day = sa.cast(sa.func.timezone(record.timezone, mine.c.sent_at), sa.Date)
    ways: dict[str, list[Placement]] = {}
    for placement in Placement:
        ways.setdefault(get_placement_counter(placement), []).append(placement)
    numbers: list[sa.Label[Any]] = [
        sa.func.count().label("received"),
        *(sa.func.count().filter(mine.c.placement.in_(those)).label(name) for name, those in ways.items()),
        *(sa.func.count(mine.c[f"{name}_at"]).label(name) for name in ("rescued", "read", "replied")),
    ]
    return sa.select(day.label("date"), *numbers).where(day >= first).group_by(day)


def _select_received_rows(table: Any, record: MailboxRecord, since: dt.datetime) -> sa.Select[Any]:
    columns = (table.c[name] for name in ("sent_at", "placement", "rescued_at", "read_at", "replied_at"))
    return sa.select(*columns).where(
        table.c.recipient_id == record.id, table.c.claimed_at >= since, table.c.parent_id.is_(None),
        table.c.status == MailStatus.SENT,
    )  # fmt: skip


def sum_days(some: Iterable[MailTotals]) -> MailTotals:
    """Add days up."""
    listed = list(some)
    return MailTotals(**{name: sum(getattr(day, name) for day in listed) for name in MailTotals.model_fields})


def load_events(connection: sa.Connection, record: MailboxRecord, *, before: int | None = None) -> Events:
    """Return the grant's history from its newest transition on, or from the one before an id."""
    E = GrantEvent
    query = sa.select(E).where(E.mailbox_id == record.id)
    if before is not None:
        at = connection.scalar(sa.select(E.at).where(E.id == before, E.mailbox_id == record.id))
        # Nothing is older than what is not there.
        query = query.where(sa.false() if at is None else sa.tuple_(E.at, E.id) < sa.tuple_(at, before))
    query = query.order_by(E.at.desc(), E.id.desc()).limit(EVENTS_PER_PAGE + 1)
    found = [_build_event(row) for row in connection.execute(query)]
    return Events(
        history=found[:EVENTS_PER_PAGE],
        next_before=found[EVENTS_PER_PAGE - 1].id if len(found) > EVENTS_PER_PAGE else None,
    )


def _build_event(row: sa.Row[Any]) -> Event:
    reason = REASONS.get(row.reason or "")
    sentence = reason.message if reason else _OTHER_REASONS.get(row.reason or "", "")
    return Event.model_validate(dict(row._mapping) | {"sentence": sentence})


def load_mails(connection: sa.Connection, record: MailboxRecord, *, before: int | None = None) -> Mails:
    """Return the mails that a mailbox sent and received from the newest on, or from the one before an id."""
    at = None
    if before is not None:
        at = _find_claimed_at(connection, record, before)
        if at is None:
            return Mails(mails=[], next_before=None)  # nothing is older than what is not there
    found = _load_mail_rows(connection, L.__table__, record, before=(at, before) if at else None)
    reaches = found[MAILS_PER_PAGE].claimed_at if len(found) > MAILS_PER_PAGE else None
    youngest = clock.get_current_time(connection) - LEDGER_MIN_AGE
    if reaches is None or reaches < youngest:
        # The history is asked only where it can have what is not older than this page.
        earlier = _load_mail_rows(
            connection, LEDGER_HISTORY, record, before=(at, before) if at else None, youngest=youngest
        )
        found = sorted([*found, *earlier], key=lambda row: (row.claimed_at, row.id), reverse=True)
    mails = [Mail.model_validate(row) for row in found[:MAILS_PER_PAGE]]
    return Mails(mails=mails, next_before=mails[-1].id if len(found) > MAILS_PER_PAGE else None)


def _find_claimed_at(connection: sa.Connection, record: MailboxRecord, mail_id: int) -> dt.datetime | None:
    for table in (L.__table__, LEDGER_HISTORY):
        own = sa.or_(table.c.sender_id == record.id, table.c.recipient_id == record.id)
        # The limit: months behind the one that has it are not looked at.
        query = sa.select(table.c.claimed_at).where(table.c.id == mail_id, own).limit(1)
        at: dt.datetime | None = connection.scalar(query)
        if at is not None:
            return at
    return None


def _load_mail_rows(
    connection: sa.Connection,
    table: Any,
    record: MailboxRecord,
    *,
    before: tuple[dt.datetime, int | None] | None,
    youngest: dt.datetime | None = None,
) -> list[sa.Row[Any]]:
    """Return one row more than a page from the ledger, or from its history, the newest first.

    Args:
        before: claim and id of a mail; only what is older. None for the newest.
        youngest: only what was claimed before; for the history, so that months without it are not looked at.
    """
    older = [] if before is None else [sa.tuple_(table.c.claimed_at, table.c.id) < sa.tuple_(*before)]
    if before is not None:
        older.append(table.c.claimed_at <= before[0])  # by this the months are chosen
    if youngest is not None:
        older.append(table.c.claimed_at < youngest)
    # Each side by its own index; together they would be read whole and sorted.
    both = sa.union_all(
        _select_direction(table, table.c.sender_id, record, table.c.recipient_id, Direction.SENT, older),
        _select_direction(table, table.c.recipient_id, record, table.c.sender_id, Direction.RECEIVED, older),
    ).subquery()
    query = sa.select(both).order_by(both.c.claimed_at.desc(), both.c.id.desc()).limit(MAILS_PER_PAGE + 1)
    return list(connection.execute(query))


def _select_direction(
    table: Any,
    own: sa.ColumnElement[int],
    record: MailboxRecord,
    partner_id: sa.ColumnElement[int],
    direction: Direction,
    older: Sequence[sa.ColumnElement[bool]],
) -> sa.Select[Any]:
    seen: list[sa.ColumnElement[Any]] = [
        sa.literal(direction.value).label("direction"),
        Mailbox.address.label("partner"),
        table.c.parent_id.is_not(None).label("is_reply"),
        *(table.c[name] for name in ("claimed_at", *Mail.model_fields) if name in table.c),
    ]
    query = sa.select(*seen).join_from(table, Mailbox, Mailbox.id == partner_id).where(own == record.id, *older)
    return query.order_by(table.c.claimed_at.desc(), table.c.id.desc()).limit(MAILS_PER_PAGE + 1)
