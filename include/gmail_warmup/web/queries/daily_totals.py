"""Totals of the current local day over all warmup mailboxes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import HealthBand, Mailbox, MailboxDay, MailboxKind, OAuthGrant
from gmail_warmup.db.rows import DATA_ERRORS, describe_error
from gmail_warmup.domains.gate import GATED_DOMAINS
from gmail_warmup.warmup.health.monitor import ZONE_DAYS
from gmail_warmup.warmup.planning.daily_plan import compute_volume_on
from gmail_warmup.warmup.planning.eligibility import IS_USABLE

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DailyTotals:
    """Mails of today: planned, sent, and delivered to spam."""

    planned: int = 0
    sent: int = 0
    spam: int = 0


def count_today(connection: sa.Connection, settings: Settings) -> DailyTotals:
    """Sum up today's mails, including the volume of mailboxes that have not started their day and may still send.

    Mailboxes with the same target, warmup day and health are grouped, so the volume is computed a few hundred times
    instead of once per mailbox. A mailbox with reduced volume is a group of its own.
    """
    utc = sa.cast(sa.func.timezone("UTC", sa.func.now()), sa.Date)
    today = ZONE_DAYS.c.today
    weekdays = [day + 1 for day in settings.sending_weekdays]
    not_started = sa.and_(
        MailboxDay.mailbox_id.is_(None), IS_USABLE, Mailbox.domain.not_in(GATED_DOMAINS),
        sa.extract("isodow", today).in_(weekdays),
    )  # fmt: skip
    # The columns that determine the volume. For healthy mailboxes, the time of the last change does not matter.
    is_healthy = Mailbox.band.in_((HealthBand.HEALTHY, HealthBand.WATCH))
    group_columns = (
        Mailbox.daily_target, Mailbox.warmup_days, today.label("today"), Mailbox.band, Mailbox.band_reason,
        sa.case((~is_healthy, Mailbox.band_since)).label("band_since"),
        sa.case((~is_healthy, Mailbox.health_window_start)).label("health_window_start"),
        sa.case((Mailbox.half_volume_on == today, Mailbox.half_volume_on)).label("half_volume_on"),
    )  # fmt: skip
    query = (
        sa.select(
            *group_columns,
            sa.func.now().label("now"),
            sa.func.count().filter(not_started).label("waiting"),
            *(sa.func.coalesce(sa.func.sum(getattr(MailboxDay, name)), 0).label(name)
              for name in ("planned", "sent", "spam")),
        )
        .select_from(Mailbox)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .join(ZONE_DAYS, ZONE_DAYS.c.timezone == Mailbox.timezone)
        .outerjoin(
            MailboxDay,
            sa.and_(
                MailboxDay.mailbox_id == Mailbox.id,
                MailboxDay.local_date == today,
                MailboxDay.local_date.between(utc - 1, utc + 1),  # for the index
            ),
        )
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(*(column.element if isinstance(column, sa.Label) else column for column in group_columns))
    )  # fmt: skip
    rows = connection.execute(query).all()
    return DailyTotals(
        planned=sum(row.planned + row.waiting * _remaining_volume(row, settings) for row in rows),
        sent=sum(row.sent for row in rows),
        spam=sum(row.spam for row in rows),
    )


def _remaining_volume(row: Any, settings: Settings) -> int:
    if not row.waiting:
        return 0
    try:
        return compute_volume_on(row.today, row, row.warmup_days, now=row.now, settings=settings).planned
    except DATA_ERRORS as error:
        log.error(
            "%d mailboxes are not counted, because a stored value breaks a rule: %s", row.waiting, describe_error(error)
        )
        return 0
