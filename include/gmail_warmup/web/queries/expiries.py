"""The days on which grants expire, as far as it is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.oauth import expiry
from gmail_warmup.warmup.reporting.domain_days import UTC_TODAY
from gmail_warmup.web.queries.filters import MailboxFilter, build_conditions

CALENDAR_DAYS = 28
_LISTED = 3
"""Addresses of each day."""


@dataclass(frozen=True, kw_only=True)
class ExpiryDay:
    """The number of grants that expire on a day (in UTC), and the first of them."""

    date: dt.date
    mailboxes: int
    addresses: list[str]


def load_expiry_days(connection: sa.Connection, mailbox_filter: MailboxFilter) -> list[ExpiryDay]:
    """Return each of the next days. A grant whose time is over, and that is not refused yet, is counted today."""
    day = sa.func.greatest(sa.cast(sa.func.timezone("UTC", expiry.EXPIRES_AT), sa.Date), UTC_TODAY)
    query = (
        sa.select(day.label("date"), Mailbox.address)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(expiry.expires_within(CALENDAR_DAYS), *build_conditions(mailbox_filter, expiring_days=0))
        .order_by(expiry.EXPIRES_AT, Mailbox.address)
    )
    found: dict[dt.date, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.date, []).append(row.address)
    first: dt.date = connection.scalar(sa.select(UTC_TODAY)) or dt.date.min
    dates = [first + dt.timedelta(days=ahead) for ahead in range(CALENDAR_DAYS)]
    return [
        ExpiryDay(date=date, mailboxes=len(found.get(date, [])), addresses=found.get(date, [])[:_LISTED])
        for date in dates
    ]
