"""What became of the mails, for the page and the API: of one mailbox and of all, from the counts by day."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Placement
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.ledger.entries import get_placement_counter
from gmail_warmup.warmup.reporting import statistics
from gmail_warmup.warmup.reporting.placement import PlacementCount, Provider, count_placements
from gmail_warmup.warmup.reporting.statistics import DEFAULT_DAYS, DayCounts, MailboxStatistics, MailCounts
from gmail_warmup.web.views.health import Health, Ramp, build_health, build_ramp

_WEEK = dt.timedelta(days=7)
PROVIDER_LABELS = {Provider.CONSUMER: "Consumer Gmail", Provider.WORKSPACE: "Google Workspace"}


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Figures(_FrozenModel):
    """What became of first mails. Shares are of the mails that were found at their recipients; null without any."""

    sent: int
    opened: int
    replied: int
    inbox: int
    elsewhere: int = Field(description="In another place than inbox and spam.")
    spam: int
    rescued: int
    missing: int
    bounced: int
    failed: int = Field(description="Refused by Gmail for good.")
    open_percent: float | None
    reply_percent: float | None
    spam_percent: float | None


class DayFigures(_FrozenModel):
    """One local day: what was planned, and what became of the mails."""

    date: dt.date
    ramp: int = Field(description="Mails that the ramp allowed.")
    planned: int
    lowered_by: str | None = Field(description="The reason code where it is less; of one mailbox alone.")
    counts: Figures


class ProviderFigures(_FrozenModel):
    """Where the mails of the last seven days were found at one provider."""

    provider: Provider
    label: str
    inbox: int = 0
    elsewhere: int = 0
    spam: int = 0
    missing: int = 0


class MailboxFigures(_FrozenModel):
    """The statistics of one warmup mailbox."""

    address: str
    days: int = Field(description="Local days that the counts are over, today included.")
    counts: Figures
    today: Ramp
    health: Health
    score: int | None = Field(description="0-100 by placement and bounces; null below the floor of placed mails.")
    legacy_score: int | None = Field(description="As the first system counted, for comparison; used for nothing.")
    legacy_grade: str | None
    providers: list[ProviderFigures]
    by_day: list[DayFigures] = Field(description="Days with a plan, the oldest first.")


class TotalFigures(_FrozenModel):
    """The statistics of all warmup mailboxes together."""

    mailboxes: int
    days: int = Field(description="Local days that the counts are over, today included.")
    counts: Figures
    planned_today: int = Field(description="Of the mailboxes that have begun their day.")
    sent_today: int
    bands: dict[HealthBand, int] = Field(description="How many mailboxes are in each health band.")
    by_day: list[DayFigures] = Field(description="A day is the same date in each mailbox's zone; the oldest first.")


def load_mailbox_figures(
    connection: sa.Connection, record: MailboxRecord, settings: Settings, *, days: int = DEFAULT_DAYS
) -> MailboxFigures:
    """Return the statistics of one warmup mailbox.

    Raises:
        UnknownMailboxError: if it is none.
    """
    found: MailboxStatistics = statistics.load_mailbox_statistics(connection, record.address, settings, days=days)
    since = connection.execute(sa.select(sa.func.now())).scalar_one() - _WEEK
    return MailboxFigures(
        address=found.address,
        days=days,
        counts=_build_figures(found.counts),
        today=build_ramp(found),
        health=build_health(found),
        score=found.score,
        legacy_score=found.legacy_score,
        legacy_grade=found.legacy_grade,
        providers=_sum_by_provider(count_placements(connection, since=since, sender_ids=[record.id])),
        by_day=_build_days(statistics.load_daily_counts(connection, mailbox_id=record.id, days=days)),
    )


def load_total_figures(connection: sa.Connection, *, days: int = DEFAULT_DAYS) -> TotalFigures:
    """Return the statistics of all warmup mailboxes together."""
    found = statistics.load_total_statistics(connection, days=days)
    return TotalFigures(
        mailboxes=found.mailboxes,
        days=days,
        counts=_build_figures(found.counts),
        planned_today=found.planned_today,
        sent_today=found.sent_today,
        bands={band: found.bands.get(band, 0) for band in HealthBand},
        by_day=_build_days(statistics.load_daily_counts(connection, days=days)),
    )


def _build_figures(counts: MailCounts) -> Figures:
    names = (name for name in Figures.model_fields if name != "opened")
    values: dict[str, Any] = {name: getattr(counts, name) for name in names}
    return Figures(opened=counts.read, **values)


def _build_days(found: list[DayCounts]) -> list[DayFigures]:
    return [
        DayFigures(
            date=day.local_date, ramp=day.ramp, planned=day.planned, lowered_by=day.lowered_by,
            counts=_build_figures(day.counts),
        )
        for day in found
    ]  # fmt: skip


def _sum_by_provider(found: list[PlacementCount]) -> list[ProviderFigures]:
    sums: dict[Provider, dict[str, int]] = {}
    for item in found:
        places = sums.setdefault(item.provider, {})
        place = get_placement_counter(Placement(item.placement))
        places[place] = places.get(place, 0) + item.mails
    return [
        ProviderFigures(provider=provider, label=label, **sums[provider])
        for provider, label in PROVIDER_LABELS.items()
        if provider in sums
    ]
