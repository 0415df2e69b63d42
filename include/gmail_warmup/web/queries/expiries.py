"""The days on which grants expire, as far as it is known."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.db.statement_cache import cache_statement
from gmail_warmup.oauth import expiry
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


def load_expiry_days(connection: sa.Connection, mailbox_filter: MailboxFilter, *, today: dt.date) -> list[ExpiryDay]:
    """Return each of the next days. A grant whose time is over, and that is not refused yet, is counted today.

    Args:
        today: the date in UTC.
    """
    found: dict[dt.date, list[str]] = {}
    for row in connection.execute(_select_expiries(mailbox_filter)):
        found.setdefault(max(row.date, today), []).append(row.address)
    dates = [today + dt.timedelta(days=ahead) for ahead in range(CALENDAR_DAYS)]
    return [
        ExpiryDay(date=date, mailboxes=len(found.get(date, [])), addresses=found.get(date, [])[:_LISTED])
        for date in dates
    ]


@cache_statement
def _select_expiries(mailbox_filter: MailboxFilter) -> sa.Executable:
    date = sa.cast(sa.func.timezone("UTC", expiry.EXPIRES_AT), sa.Date).label("date")
    return (
        sa.select(date, Mailbox.address)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(expiry.expires_within(CALENDAR_DAYS), *build_conditions(mailbox_filter, expiring_days=0))
        .order_by(expiry.EXPIRES_AT, Mailbox.address)
    )
