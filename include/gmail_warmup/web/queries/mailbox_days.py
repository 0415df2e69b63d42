"""Daily mail counts of one mailbox, for its page and the API."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.db.clock import to_local_date
from gmail_warmup.db.models import LEDGER_HISTORY, LEDGER_MIN_AGE, MailboxDay, MailboxKind, MailStatus, Placement
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.ledger.daily_counters import get_placement_counter

DEFAULT_DAYS = 30


class MailTotals(BaseModel):
    """Counts of first mails; a reply counts for the mail that it answers."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    planned: int = Field(0, description="Mails that the ramp allowed; 0 for a pool mailbox.")
    sent: int = Field(0, description="Mails that a warmup mailbox sent; 0 for a pool mailbox.")
    received: int = Field(0, description="Mails sent to a pool mailbox; 0 for a warmup mailbox.")
    inbox: int = 0
    elsewhere: int = Field(0, description="Neither in the inbox nor in spam.")
    spam: int = 0
    missing: int = Field(0, description="Not found at the recipient.")
    rescued: int = 0
    read: int = 0
    replied: int = 0


class Day(MailTotals):
    """One day in the mailbox's time zone, by the date on which its mails were sent."""

    date: dt.date


def load_days(
    connection: sa.Connection, record: MailboxRecord, *, now: dt.datetime, count: int = DEFAULT_DAYS
) -> list[Day]:
    """Return the mailbox's last days including today, oldest first. Days without mails contain zeros."""
    today = now.astimezone(record.zone).date()
    dates = [today - dt.timedelta(days=back) for back in reversed(range(count))]
    query = (
        _select_sent(record, dates[0]) if record.kind is MailboxKind.WARMUP else _select_received(record, dates[0], now)
    )
    known = {row.date: Day.model_validate(row) for row in connection.execute(query)}
    return [known.get(date) or Day(date=date) for date in dates]


def _select_sent(record: MailboxRecord, first: dt.date) -> sa.Select[Any]:
    names = [name for name in MailTotals.model_fields if name != "received"]
    columns = [getattr(MailboxDay, name) for name in names]
    return sa.select(MailboxDay.local_date.label("date"), *columns).where(
        MailboxDay.mailbox_id == record.id, MailboxDay.local_date >= first
    )


def _select_received(record: MailboxRecord, first: dt.date, now: dt.datetime) -> sa.Select[Any]:
    # The index is on the time of the claim; a mail is sent soon after it, in a time zone less than a day away.
    since = dt.datetime.combine(first, dt.time(), dt.UTC) - dt.timedelta(days=2)
    ledger = _select_received_rows(L.__table__, record, since)
    in_history = since < now - LEDGER_MIN_AGE
    mails = (
        ledger.union_all(_select_received_rows(LEDGER_HISTORY, record, since)) if in_history else ledger
    ).subquery()
    day = to_local_date(record.zone.key, mails.c.sent_at)
    placements: dict[str, list[Placement]] = {}
    for placement in Placement:
        placements.setdefault(get_placement_counter(placement), []).append(placement)
    counts: list[sa.Label[Any]] = [
        sa.func.count().label("received"),
        *(sa.func.count().filter(mails.c.placement.in_(group)).label(name) for name, group in placements.items()),
        *(sa.func.count(mails.c[f"{name}_at"]).label(name) for name in ("rescued", "read", "replied")),
    ]
    return sa.select(day.label("date"), *counts).where(day >= first).group_by(day)


def _select_received_rows(table: Any, record: MailboxRecord, since: dt.datetime) -> sa.Select[Any]:
    columns = (table.c[name] for name in ("sent_at", "placement", "rescued_at", "read_at", "replied_at"))
    return sa.select(*columns).where(
        table.c.recipient_id == record.id, table.c.claimed_at >= since, table.c.parent_id.is_(None),
        table.c.status == MailStatus.SENT,
    )  # fmt: skip


def sum_days(days: Sequence[MailTotals]) -> MailTotals:
    """Return the totals of several days."""
    return MailTotals(**{name: sum(getattr(day, name) for day in days) for name in MailTotals.model_fields})
