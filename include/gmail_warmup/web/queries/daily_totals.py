"""Today over all warmup mailboxes, each in its own zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import HealthBand, Mailbox, MailboxDay, MailboxKind, OAuthGrant
from gmail_warmup.domains.gate import GATED_DOMAINS
from gmail_warmup.warmup.health.monitor import LOCAL_TODAY
from gmail_warmup.warmup.planning.daily_plan import compute_volume_on
from gmail_warmup.warmup.planning.due import IS_USABLE


@dataclass(frozen=True, kw_only=True)
class DailyTotals:
    """Mails of today: what is planned, what was sent, and what of it is in spam."""

    planned: int = 0
    sent: int = 0
    spam: int = 0


def count_today(connection: sa.Connection, settings: Settings) -> DailyTotals:
    """Add up what was done today, and what those will do that have not begun and may send on this weekday.

    Mailboxes with the same target, day of the ramp and standing are counted together, so that the engine is asked a
    few hundred times, and once for each of those whose health slows or stops them.
    """
    utc = sa.cast(sa.func.timezone("UTC", sa.func.now()), sa.Date)
    weekdays = [day + 1 for day in settings.sending_weekdays]
    waits = sa.and_(
        MailboxDay.mailbox_id.is_(None), IS_USABLE, Mailbox.domain.not_in(GATED_DOMAINS),
        sa.extract("isodow", LOCAL_TODAY).in_(weekdays),
    )  # fmt: skip
    # What alike mailboxes have in common: since when a healthy one is so changes nothing.
    well = Mailbox.band.in_((HealthBand.HEALTHY, HealthBand.WATCH))
    common = (
        Mailbox.daily_target, Mailbox.warmup_days, LOCAL_TODAY.label("today"), Mailbox.band, Mailbox.band_reason,
        sa.case((~well, Mailbox.band_since)).label("band_since"),
        sa.case((~well, Mailbox.health_window_start)).label("health_window_start"),
        sa.case((Mailbox.half_volume_on == LOCAL_TODAY, Mailbox.half_volume_on)).label("half_volume_on"),
    )  # fmt: skip
    query = (
        sa.select(
            *common,
            sa.func.now().label("now"),
            sa.func.count().filter(waits).label("waiting"),
            *(sa.func.coalesce(sa.func.sum(getattr(MailboxDay, name)), 0).label(name)
              for name in ("planned", "sent", "spam")),
        )
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .outerjoin(
            MailboxDay,
            sa.and_(
                MailboxDay.mailbox_id == Mailbox.id,
                MailboxDay.local_date == LOCAL_TODAY,
                MailboxDay.local_date.between(utc - 1, utc + 1),  # for the index; no zone is further away
            ),
        )
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(*(column.element if isinstance(column, sa.Label) else column for column in common))
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
    return compute_volume_on(row.today, row, row.warmup_days, now=row.now, settings=settings).planned
