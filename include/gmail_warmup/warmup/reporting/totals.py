"""Load the statistics of all warmup mailboxes together, and the counts by local day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.db.models import Mailbox, MailboxDay, MailboxKind
from gmail_warmup.warmup.health.monitor import LOCAL_DAY, ZONE_DAYS
from gmail_warmup.warmup.reporting.counts import (
    COUNT_NAMES,
    DEFAULT_DAYS,
    MailCounts,
    build_sum_columns,
    is_in_last_days,
    to_mail_counts,
)


@dataclass(frozen=True, kw_only=True)
class TotalStatistics:
    """All warmup mailboxes: the counts of the requested days, today's mails, and the number of mailboxes per band."""

    mailboxes: int
    counts: MailCounts
    planned_today: int
    sent_today: int
    bands: dict[HealthBand, int]


def load_total_statistics(connection: sa.Connection, *, days: int = DEFAULT_DAYS) -> TotalStatistics:
    """Return the statistics of all warmup mailboxes together."""
    rows = connection.execute(_build_totals_query(days)).all()
    counts = {name: sum(int(getattr(row, name)) for row in rows) for name in COUNT_NAMES}
    return TotalStatistics(
        mailboxes=sum(row.mailboxes for row in rows),
        counts=MailCounts(**counts),
        planned_today=sum(int(row.planned_today) for row in rows),
        sent_today=sum(int(row.sent_today) for row in rows),
        bands={band: row.mailboxes for row in rows for band in HealthBand if band == row.band},
    )


def _build_totals_query(days: int) -> sa.Select[tuple[object, ...]]:
    """Return the query of the sums by band: summed by mailbox first, since 50,000 mailboxes have a million rows."""
    is_today = MailboxDay.local_date == ZONE_DAYS.c.today
    by_mailbox = (
        sa.select(
            MailboxDay.mailbox_id,
            *build_sum_columns(),
            sa.func.sum(MailboxDay.planned).filter(is_today).label("planned_today"),
            sa.func.sum(MailboxDay.sent).filter(is_today).label("sent_today"),
        )
        .select_from(MailboxDay)
        .join(Mailbox, Mailbox.id == MailboxDay.mailbox_id)
        .join(ZONE_DAYS, ZONE_DAYS.c.timezone == Mailbox.timezone)
        .where(is_in_last_days(days, ZONE_DAYS.c.today))
        .group_by(MailboxDay.mailbox_id)
        .subquery()
    )
    names = (*COUNT_NAMES, "planned_today", "sent_today")
    return (
        sa.select(
            Mailbox.band,
            sa.func.count().label("mailboxes"),
            *(sa.func.coalesce(sa.func.sum(by_mailbox.c[name]), 0).label(name) for name in names),
        )
        .outerjoin(by_mailbox, by_mailbox.c.mailbox_id == Mailbox.id)
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(Mailbox.band)
    )


@dataclass(frozen=True, kw_only=True)
class DayCounts:
    """One local day: the mails allowed by the ramp and planned, their outcomes, and the reason code of a reduction."""

    local_date: date
    ramp: int
    planned: int
    counts: MailCounts
    lowered_by: str | None = None


def load_daily_counts(
    connection: sa.Connection, *, mailbox_id: int | None = None, days: int = DEFAULT_DAYS
) -> list[DayCounts]:
    """Return the days with a plan, the oldest first, of one warmup mailbox or of all together.

    For all mailboxes together a day is the same date in the time zone of each mailbox.
    """
    is_one_mailbox = mailbox_id is not None
    reason = sa.func.min(MailboxDay.reduction_reason) if is_one_mailbox else sa.null()
    local_day = sa.true() if is_one_mailbox else ZONE_DAYS.c.timezone == Mailbox.timezone
    today = (LOCAL_DAY if is_one_mailbox else ZONE_DAYS).c.today
    query = (
        sa.select(
            MailboxDay.local_date,
            sa.func.sum(MailboxDay.ramp).label("ramp"),
            sa.func.sum(MailboxDay.planned).label("planned"),
            reason.label("reduction_reason"),
            *build_sum_columns(),
        )
        .select_from(MailboxDay)
        .join(Mailbox, Mailbox.id == MailboxDay.mailbox_id)
        .join(LOCAL_DAY if is_one_mailbox else ZONE_DAYS, local_day)
        .where(is_in_last_days(days, today), MailboxDay.mailbox_id == mailbox_id if is_one_mailbox else sa.true())
        .group_by(MailboxDay.local_date)
        .order_by(MailboxDay.local_date)
    )
    return [
        DayCounts(
            local_date=row.local_date,
            ramp=int(row.ramp),
            planned=int(row.planned),
            counts=to_mail_counts(row),
            lowered_by=row.reduction_reason,
        )
        for row in connection.execute(query)
    ]
