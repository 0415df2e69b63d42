"""Load the statistics of warmup mailboxes, one or a page of them, with one query."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Mailbox, MailboxDay, MailboxKind
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.db.statement_cache import cache_statement
from gmail_warmup.mailboxes import lookup, repository
from gmail_warmup.mailboxes.schedules.columns import SCHEDULE_COLUMNS
from gmail_warmup.warmup.health import bands
from gmail_warmup.warmup.health.monitor import (
    LOCAL_DAY,
    LOCAL_TODAY,
    build_sample_columns,
    to_health_sample,
    to_health_status,
)
from gmail_warmup.warmup.planning.daily_plan import DailyVolume, compute_volume_on
from gmail_warmup.warmup.planning.schedules import resolve_schedule
from gmail_warmup.warmup.reporting.counts import (
    DEFAULT_DAYS,
    MailCounts,
    build_sum_columns,
    is_in_last_days,
    to_mail_counts,
)

_TODAY_COLUMNS = ("ramp", "planned", "claimed", "sent", "reduction_reason")


@dataclass(frozen=True, kw_only=True)
class TodayStatistics:
    """A sender's local day: the mails allowed by the ramp, planned, claimed and sent.

    Attributes:
        planned: before the first claim the volume that ramp and health allow, on weekends as well; afterwards the
            volume of the day, or less if the next claim would lower it.
        pending: planned mails that are not sent yet.
        lowered_by: reason code if less is planned than the ramp allows.
    """

    ramp: int
    planned: int
    claimed: int
    sent: int
    pending: int
    lowered_by: str | None


@dataclass(frozen=True, kw_only=True)
class MailboxStatistics:
    """The statistics of one warmup mailbox.

    Attributes:
        counts: the counts of the requested days.
        warmup_day: days with at least one mail sent, plus one if none was sent today.
        phase: the phase of the ramp, in words.
        progress: today's ramp volume in per cent of the final volume.
        band_reason: a code of ``WARMUP_REASONS``; None for a healthy mailbox.
        rests_until: the first local day on which a paused mailbox sends again; None if it does not rest.
        requalifies: whether its rest is over and it sends a requalification sample.
        sample: the counts from which band and score are computed.
        score: from 0 to 100; None below the minimum sample. See ``bands.compute_score``.
    """

    address: str
    counts: MailCounts
    today: TodayStatistics
    warmup_day: int
    phase: str
    progress: int
    band: HealthBand
    band_reason: str | None
    band_since: datetime | None
    rests_until: date | None
    requalifies: bool
    sample: bands.HealthSample
    score: int | None


def load_mailbox_statistics(
    connection: sa.Connection, address: str, settings: Settings, *, days: int = DEFAULT_DAYS
) -> MailboxStatistics:
    """Return the statistics of one warmup mailbox.

    Raises:
        UnknownMailboxError: if no mailbox has this address.
        InvalidInputError: if it is a pool mailbox.
    """
    row = connection.execute(_query_by_address(days), lookup.build_lookup(address)).one_or_none()
    if row is None:
        pool = repository.get_mailbox(connection, address).address
        raise InvalidInputError(f"{pool} is a pool mailbox; only warmup mailboxes have statistics.")
    return _to_statistics(row, settings)


def load_page_statistics(
    connection: sa.Connection, mailbox_ids: Collection[int], settings: Settings, *, days: int = DEFAULT_DAYS
) -> dict[int, MailboxStatistics]:
    """Return the statistics of the warmup mailboxes among some mailboxes, by mailbox id."""
    rows = connection.execute(_query_by_ids(days), {"ids": list(mailbox_ids)})
    loaded = convert_rows(rows, lambda row: (row.id, _to_statistics(row, settings)), table=Mailbox.__tablename__)
    return dict(loaded)


@cache_statement
def _query_by_address(days: int) -> sa.Select[Any]:
    return lookup.select_by_address(_build_query(days))


@cache_statement
def _query_by_ids(days: int) -> sa.Select[Any]:
    return _build_query(days).where(Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))


def _build_query(days: int) -> sa.Select[Any]:
    columns: list[Any] = [
        Mailbox.id, Mailbox.address, Mailbox.daily_target, Mailbox.warmup_days, Mailbox.band, Mailbox.band_reason,
        Mailbox.band_since, Mailbox.health_window_start, Mailbox.half_volume_on, sa.func.now().label("now"),
        LOCAL_TODAY.label("today"), *SCHEDULE_COLUMNS,
        *_build_today_columns(), *build_sum_columns(is_in_last_days(days, LOCAL_DAY.c.today)), *build_sample_columns(),
    ]  # fmt: skip
    oldest = LOCAL_DAY.c.today - max(days, bands.HEALTH_WINDOW.days)
    return (
        sa.select(*columns)
        .select_from(Mailbox)
        .join(LOCAL_DAY, sa.true())
        .outerjoin(MailboxDay, sa.and_(MailboxDay.mailbox_id == Mailbox.id, MailboxDay.local_date > oldest))
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(Mailbox.id)
        .order_by(Mailbox.address)
    )


def _build_today_columns() -> list[sa.Label[Any]]:
    """Return the columns of today's row; null if the row does not exist."""
    is_today = MailboxDay.local_date == LOCAL_DAY.c.today
    return [sa.func.max(getattr(MailboxDay, name)).filter(is_today).label(f"today_{name}") for name in _TODAY_COLUMNS]


def _to_statistics(row: Any, settings: Settings) -> MailboxStatistics:
    ramp, health = resolve_schedule(row, settings).ramp, to_health_status(row)
    sample = to_health_sample(row)
    day = max(1, row.warmup_days + (0 if row.today_sent else 1))
    is_resting = health.is_resting(row.today) and health.band is HealthBand.PAUSED
    return MailboxStatistics(
        address=row.address,
        counts=to_mail_counts(row),
        today=_to_today(row, compute_volume_on(row.today, row, day - 1, now=row.now, settings=settings)),
        warmup_day=day,
        phase=ramp.describe_phase(warmup_day=day, daily_target=row.daily_target),
        progress=ramp.progress_percent(warmup_day=day, daily_target=row.daily_target),
        band=health.band,
        band_reason=health.reason,
        band_since=health.since,
        rests_until=health.window_start if is_resting else None,
        requalifies=health.is_requalifying(row.today),
        sample=sample,
        score=bands.compute_score(sample),
    )


def _to_today(row: Any, volume: DailyVolume) -> TodayStatistics:
    """Return today's row, or the volume that ramp and health allow now if it is lower or there is no row."""
    ramp, planned, reduction_reason = row.today_ramp, row.today_planned, row.today_reduction_reason
    claimed, sent = int(row.today_claimed or 0), int(row.today_sent or 0)
    if planned is None:
        ramp, planned, reduction_reason = volume.ramp, volume.planned, volume.reduction_reason
    elif (lowered := max(claimed, volume.planned)) < planned:
        ramp, planned, reduction_reason = volume.ramp, lowered, volume.reduction_reason
    return TodayStatistics(
        ramp=ramp,
        planned=planned,
        claimed=claimed,
        sent=sent,
        pending=max(0, planned - sent),
        lowered_by=reduction_reason,
    )
