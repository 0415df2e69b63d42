"""Sums of the daily counts of some mailboxes, such as those with a tag, for which no sums are stored."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox, MailboxDay
from gmail_warmup.warmup.health.monitor import LOCAL_DAY
from gmail_warmup.warmup.reporting.domain_days import build_sums, is_recent, needs_time_zone


def select_mailbox_sums(*columns: Any, days: int, conditions: list[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    """Return the query of the sums of all counts of the last local days, including today, by some columns.

    The days are those of ``domain_days.select_sums``, so that all mailboxes of a domain have the sums of the domain.

    Args:
        conditions: conditions on mailboxes.
    """
    query: sa.Select[Any] = (
        sa.select(*columns, *build_sums(MailboxDay))
        .select_from(MailboxDay)
        .join(Mailbox, Mailbox.id == MailboxDay.mailbox_id)
        .where(is_recent(MailboxDay.local_date, days), *conditions)
        .group_by(*columns)
    )
    if needs_time_zone(days):
        query = query.join(LOCAL_DAY, sa.true()).where(MailboxDay.local_date > LOCAL_DAY.c.today - days)
    return query
