"""Views of the daily mail counts, of one mailbox and of all; shared by the page and the API."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.db.models import Placement
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.ledger.daily_counters import get_placement_counter
from gmail_warmup.warmup.reporting import mailbox_statistics, totals
from gmail_warmup.warmup.reporting.counts import DEFAULT_DAYS, MailCounts
from gmail_warmup.warmup.reporting.placement import PlacementCount, Provider, count_placements
from gmail_warmup.warmup.reporting.totals import DayCounts
from gmail_warmup.web.views.health import Health, Ramp, build_health, build_ramp

_WEEK = dt.timedelta(days=7)
PROVIDER_LABELS = {Provider.CONSUMER: "Consumer Gmail", Provider.WORKSPACE: "Google Workspace"}


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Figures(_FrozenModel):
    """Counts of first mails. Percentages refer to mails found at their recipients; null if there are none."""

    sent: int
    opened: int
    replied: int
    inbox: int
    elsewhere: int = Field(description="Neither in the inbox nor in spam.")
    spam: int
    rescued: int
    missing: int
    bounced: int
    rejected: int = Field(description="Those of the bounced mails that were rejected as spam or by policy.")
    failed: int = Field(description="Permanently refused by Gmail.")
    open_percent: float | None
    reply_percent: float | None
    spam_percent: float | None


class DayFigures(_FrozenModel):
    """One local day: the plan and the mail counts."""

    date: dt.date
    ramp: int = Field(description="Mails that the ramp allowed.")
    planned: int
    lowered_by: str | None = Field(
        description="Reason code if fewer mails were planned than the ramp allowed; for a single mailbox only."
    )
    counts: Figures


class ProviderFigures(_FrozenModel):
    """Placement of the mails of the last seven days at one provider."""

    provider: Provider
    label: str
    inbox: int = 0
    elsewhere: int = 0
    spam: int = 0
    missing: int = 0


class MailboxFigures(_FrozenModel):
    """The statistics of one warmup mailbox."""

    address: str
    days: int = Field(description="Number of local days in the counts, including today.")
    counts: Figures
    today: Ramp
    health: Health
    score: int | None = Field(description="0-100 from placement and bounces; null below the minimum of placed mails.")
    providers: list[ProviderFigures]
    by_day: list[DayFigures] = Field(description="Days with a plan, oldest first.")


class TotalFigures(_FrozenModel):
    """The statistics of all warmup mailboxes together."""

    mailboxes: int
    days: int = Field(description="Number of local days in the counts, including today.")
    counts: Figures
    planned_today: int = Field(description="Planned mails of the mailboxes that have started their day.")
    sent_today: int
    bands: dict[HealthBand, int] = Field(description="Number of mailboxes in each health band.")
    by_day: list[DayFigures] = Field(description="By date in the time zone of each mailbox, oldest first.")


def load_mailbox_figures(
    connection: sa.Connection, record: MailboxRecord, settings: Settings, *, days: int = DEFAULT_DAYS
) -> MailboxFigures:
    """Return the statistics of one warmup mailbox.

    Raises:
        UnknownMailboxError: if the mailbox does not exist.
    """
    mailbox = mailbox_statistics.load_mailbox_statistics(connection, record.address, settings, days=days)
    since = clock.get_current_time(connection) - _WEEK
    return MailboxFigures(
        address=mailbox.address,
        days=days,
        counts=_build_figures(mailbox.counts),
        today=build_ramp(mailbox),
        health=build_health(mailbox),
        score=mailbox.score,
        providers=_sum_by_provider(count_placements(connection, since=since, sender_ids=[record.id])),
        by_day=_build_days(totals.load_daily_counts(connection, mailbox_id=record.id, days=days)),
    )


def load_total_figures(connection: sa.Connection, *, days: int = DEFAULT_DAYS) -> TotalFigures:
    """Return the statistics of all warmup mailboxes together."""
    by_day = totals.load_daily_counts(connection, days=days)
    total = totals.load_total_statistics(connection, by_day=by_day)
    return TotalFigures(
        mailboxes=total.mailboxes,
        days=days,
        counts=_build_figures(total.counts),
        planned_today=total.planned_today,
        sent_today=total.sent_today,
        bands={band: total.bands.get(band, 0) for band in HealthBand},
        by_day=_build_days(by_day),
    )


def _build_figures(counts: MailCounts) -> Figures:
    names = (name for name in Figures.model_fields if name != "opened")
    values: dict[str, Any] = {name: getattr(counts, name) for name in names}
    return Figures(opened=counts.read, **values)


def _build_days(days: list[DayCounts]) -> list[DayFigures]:
    return [
        DayFigures(
            date=day.local_date, ramp=day.ramp, planned=day.planned, lowered_by=day.lowered_by,
            counts=_build_figures(day.counts),
        )
        for day in days
    ]  # fmt: skip


def _sum_by_provider(counts: list[PlacementCount]) -> list[ProviderFigures]:
    sums: dict[Provider, dict[str, int]] = {}
    for item in counts:
        totals = sums.setdefault(item.provider, {})
        place = get_placement_counter(Placement(item.placement))
        totals[place] = totals.get(place, 0) + item.mails
    return [
        ProviderFigures(provider=provider, label=label, **sums[provider])
        for provider, label in PROVIDER_LABELS.items()
        if provider in sums
    ]
