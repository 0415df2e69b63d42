"""Load the statistics of all warmup mailboxes together, and the counts by local day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.db.models import DomainDay, Mailbox, MailboxDay, MailboxKind
from gmail_warmup.warmup.health.monitor import LOCAL_DAY
from gmail_warmup.warmup.reporting import domain_days
from gmail_warmup.warmup.reporting.counts import (
    COUNT_NAMES,
    DEFAULT_DAYS,
    MailCounts,
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


_IS_WARMUP = Mailbox.kind == MailboxKind.WARMUP
# Few mailboxes are not healthy, and these have an index; the healthy ones are the rest.
_COUNT_OTHER_BANDS = (
    sa.select(Mailbox.band, sa.func.count().label("mailboxes"))
    .where(_IS_WARMUP, Mailbox.band.in_([band for band in HealthBand if band is not HealthBand.HEALTHY]))
    .group_by(Mailbox.band)
)


def load_total_statistics(
    connection: sa.Connection, *, days: int = DEFAULT_DAYS, by_day: Sequence[DayCounts] | None = None
) -> TotalStatistics:
    """Return the statistics of all warmup mailboxes together.

    Args:
        by_day: the counts of these days, if they are loaded already.
    """
    loaded = load_daily_counts(connection, days=days) if by_day is None else by_day
    today = connection.execute(domain_days.select_sums(days=1)).one()
    mailboxes = int(connection.scalar(sa.select(sa.func.count()).where(_IS_WARMUP)) or 0)
    others = {HealthBand(row.band): int(row.mailboxes) for row in connection.execute(_COUNT_OTHER_BANDS)}
    bands = {HealthBand.HEALTHY: mailboxes - sum(others.values())} | others
    return TotalStatistics(
        mailboxes=mailboxes,
        counts=MailCounts(**{name: sum(getattr(day.counts, name) for day in loaded) for name in COUNT_NAMES}),
        planned_today=int(today.planned),
        sent_today=int(today.sent),
        bands={band: bands[band] for band in HealthBand if bands.get(band)},
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
    if mailbox_id is None:
        query = domain_days.select_sums(DomainDay.local_date, days=days)
        query = query.add_columns(sa.null().label("reduction_reason")).order_by(DomainDay.local_date)
    else:
        query = _select_days_of_mailbox(mailbox_id, days)
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


def _select_days_of_mailbox(mailbox_id: int, days: int) -> sa.Select[Any]:
    columns = (
        getattr(MailboxDay, name) for name in ("local_date", "ramp", "planned", "reduction_reason", *COUNT_NAMES)
    )
    return (
        sa.select(*columns)
        .join(Mailbox, Mailbox.id == MailboxDay.mailbox_id)
        .join(LOCAL_DAY, sa.true())
        .where(is_in_last_days(days, LOCAL_DAY.c.today), MailboxDay.mailbox_id == mailbox_id)
        .order_by(MailboxDay.local_date)
    )
