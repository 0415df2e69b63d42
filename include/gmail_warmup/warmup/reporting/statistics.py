"""Statistics: what became of the mails of a sender, of a page of senders and of all, by day in the mailbox's zone.

They come from the counts by mailbox and day, which grow with the ledger in the same transactions, and never from a
scan of the ledger: one query each, whatever the ledger's size. Shares are of the mails whose fate is known.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.core.errors import UnknownMailboxError
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Mailbox, MailboxDay, MailboxKind
from gmail_warmup.warmup.health import bands as health
from gmail_warmup.warmup.health.monitor import LOCAL_TODAY, build_sample_columns, to_health_sample, to_health_status
from gmail_warmup.warmup.planning.daily_plan import DailyVolume, compute_volume_on
from gmail_warmup.warmup.planning.ramp import Ramp

_D = MailboxDay
_COUNT_COLUMNS = ("sent", "failed", "inbox", "spam", "elsewhere", "missing", "bounced", "rescued", "read", "replied")
_SAMPLE_SIZE = len(build_sample_columns())

DEFAULT_DAYS = 30
"""Local days, today included, that totals are over unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class MailCounts:
    """What became of first mails; ``elsewhere`` is any place but inbox and spam, ``read`` opened by the recipient."""

    sent: int = 0
    failed: int = 0
    inbox: int = 0
    spam: int = 0
    elsewhere: int = 0
    missing: int = 0
    bounced: int = 0
    rescued: int = 0
    read: int = 0
    replied: int = 0

    @property
    def placed(self) -> int:
        """Return how many were found at their recipients."""
        return self.inbox + self.spam + self.elsewhere

    @property
    def open_percent(self) -> float | None:
        """Return the share of the placed mails that were opened."""
        return _compute_percent(self.read, self.placed)

    @property
    def reply_percent(self) -> float | None:
        """Return the share of the placed mails that were answered."""
        return _compute_percent(self.replied, self.placed)

    @property
    def spam_percent(self) -> float | None:
        """Return the share of the placed mails that were put in spam."""
        return _compute_percent(self.spam, self.placed)


def _compute_percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


@dataclass(frozen=True, kw_only=True)
class TodayStatistics:
    """A sender's local day: what the ramp allows, what is planned, claimed and sent, and why it is less.

    ``pending`` is what is planned and not sent yet. Before the day's first claim ``planned`` is what ramp and health
    allow, on weekends as well; afterwards it is the day's, or less where the next claim would lower it.
    """

    ramp: int
    planned: int
    claimed: int
    sent: int
    pending: int
    lowered_by: str | None


@dataclass(frozen=True, kw_only=True)
class MailboxStatistics:
    """One warmup mailbox.

    Attributes:
        counts: of the days asked for.
        warmup_day: days with a mail sent, and one more if today has none yet.
        phase: where on the ramp it is, in words.
        progress: per cent of the ramp's level.
        score: 0-100; None below the sample floor. See ``health.score``.
        legacy_score: what the first system's way of counting gives, with its grade; None before the first placement.
        band_reason: a code of ``WARMUP_REASONS``; None for a healthy one.
        rests_until: the first local day on which it may send again; None if it does not rest, or a person decides.
        requalifies: whether its rest is over and it sends its fresh sample.
        sample: what band and score are judged by.
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
    sample: health.HealthSample
    score: int | None
    legacy_score: int | None
    legacy_grade: str | None


@dataclass(frozen=True, kw_only=True)
class TotalStatistics:
    """All warmup mailboxes together: the counts of the days asked for, today's mails, and how many are in each band."""

    mailboxes: int
    counts: MailCounts
    planned_today: int
    sent_today: int
    bands: dict[HealthBand, int]


@dataclass(frozen=True, kw_only=True)
class DayCounts:
    """One local day: what was planned and what became of the mails."""

    local_date: date
    ramp: int
    planned: int
    counts: MailCounts
    lowered_by: str | None = None


def load_mailbox_statistics(
    connection: sa.Connection, address: str, settings: Settings, *, days: int = DEFAULT_DAYS
) -> MailboxStatistics:
    """Return the statistics of one warmup mailbox.

    Raises:
        UnknownMailboxError: if no warmup mailbox has this address.
    """
    found = _load_statistics(connection, _query_by_address(days), {"address": address.strip().lower()}, settings)
    if not found:
        raise UnknownMailboxError(address)
    return next(iter(found.values()))


def load_page_statistics(
    connection: sa.Connection, mailbox_ids: Collection[int], settings: Settings, *, days: int = DEFAULT_DAYS
) -> dict[int, MailboxStatistics]:
    """Return the statistics of the warmup mailboxes among these, by mailbox id."""
    return _load_statistics(connection, _query_by_ids(days), {"ids": list(mailbox_ids)}, settings)


def load_total_statistics(connection: sa.Connection, *, days: int = DEFAULT_DAYS) -> TotalStatistics:
    """Return the statistics of all warmup mailboxes together."""
    # Summed by mailbox before they are summed by band: a month of 50,000 mailboxes is a million rows.
    today = _D.local_date == LOCAL_TODAY
    each = (
        sa.select(
            _D.mailbox_id, *(sa.func.sum(getattr(_D, name)).label(name) for name in _COUNT_COLUMNS),
            sa.func.sum(_D.planned).filter(today).label("planned_today"),
            sa.func.sum(_D.sent).filter(today).label("sent_today"),
        )
        .join(Mailbox, Mailbox.id == _D.mailbox_id)
        .where(_is_in_last_days(days))
        .group_by(_D.mailbox_id)
        .subquery()
    )  # fmt: skip
    sums = (*_COUNT_COLUMNS, "planned_today", "sent_today")
    query = (
        sa.select(
            Mailbox.band, sa.func.count().label("mailboxes"),
            *(sa.func.coalesce(sa.func.sum(each.c[name]), 0).label(name) for name in sums),
        )
        .outerjoin(each, each.c.mailbox_id == Mailbox.id)
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(Mailbox.band)
    )  # fmt: skip
    rows = connection.execute(query).all()
    added = {name: sum(int(getattr(row, name)) for row in rows) for name in _COUNT_COLUMNS}
    return TotalStatistics(
        mailboxes=sum(row.mailboxes for row in rows),
        counts=MailCounts(**added),
        planned_today=sum(int(row.planned_today) for row in rows),
        sent_today=sum(int(row.sent_today) for row in rows),
        bands={HealthBand(row.band): row.mailboxes for row in rows},
    )


def load_daily_counts(
    connection: sa.Connection, *, mailbox_id: int | None = None, days: int = DEFAULT_DAYS
) -> list[DayCounts]:
    """Return the days with a plan, the oldest first, of one warmup mailbox or of all together.

    For all together a day is the same date in each mailbox's zone.
    """
    reason = sa.func.min(_D.reduction_reason) if mailbox_id is not None else sa.null()
    query = (
        sa.select(
            _D.local_date, sa.func.sum(_D.ramp).label("ramp"), sa.func.sum(_D.planned).label("planned"),
            reason.label("lowered_by"), *(sa.func.sum(getattr(_D, name)).label(name) for name in _COUNT_COLUMNS),
        )
        .join(Mailbox, Mailbox.id == _D.mailbox_id)
        .where(_is_in_last_days(days), sa.true() if mailbox_id is None else _D.mailbox_id == mailbox_id)
        .group_by(_D.local_date)
        .order_by(_D.local_date)
    )  # fmt: skip
    return [
        DayCounts(
            local_date=row.local_date, ramp=int(row.ramp), planned=int(row.planned), counts=_to_counts(row),
            lowered_by=row.lowered_by,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def _is_in_last_days(days: int) -> sa.ColumnElement[bool]:
    # Twice, so that the index on the day finds them: no zone's day is more than one away from the database's.
    return sa.and_(_D.local_date > LOCAL_TODAY - days, _D.local_date > sa.cast(sa.func.now(), sa.Date) - days - 1)


def _build_sum_columns(days: int) -> list[sa.ColumnElement[Any]]:
    asked = _is_in_last_days(days)
    return [sa.func.coalesce(sa.func.sum(getattr(_D, name)).filter(asked), 0).label(name) for name in _COUNT_COLUMNS]


def _to_counts(row: Any) -> MailCounts:
    return MailCounts(**{name: int(getattr(row, name)) for name in _COUNT_COLUMNS})


def _load_statistics(
    connection: sa.Connection, query: sa.Select[Any], which: dict[str, Any], settings: Settings
) -> dict[int, MailboxStatistics]:
    return {row.id: _to_statistics(row, settings) for row in connection.execute(query, which)}


# Built once: building a statement of so many sums costs as much as executing it.
@functools.lru_cache(maxsize=16)
def _query_by_address(days: int) -> sa.Select[Any]:
    return _build_query(days).where(Mailbox.address == sa.bindparam("address"))


@functools.lru_cache(maxsize=16)
def _query_by_ids(days: int) -> sa.Select[Any]:
    return _build_query(days).where(Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))


def _build_query(days: int) -> sa.Select[Any]:
    today = _D.local_date == LOCAL_TODAY
    day_of = {name: sa.func.max(getattr(_D, name)).filter(today).label(f"today_{name}")
              for name in ("ramp", "planned", "claimed", "sent", "reduction_reason")}  # fmt: skip
    columns: list[Any] = [
        Mailbox.id, Mailbox.address, Mailbox.daily_target, Mailbox.warmup_days, Mailbox.band, Mailbox.band_reason,
        Mailbox.band_since, Mailbox.health_window_start, Mailbox.half_volume_on, sa.func.now().label("now"),
        LOCAL_TODAY.label("today"),
        *day_of.values(), *_build_sum_columns(days), *build_sample_columns(),
    ]  # fmt: skip
    return (
        sa.select(*columns)
        .outerjoin(
            _D, sa.and_(_D.mailbox_id == Mailbox.id, _D.local_date > LOCAL_TODAY - max(days, health.HEALTH_WINDOW.days))
        )
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(Mailbox.id)
        .order_by(Mailbox.address)
    )


def _to_statistics(row: Any, settings: Settings) -> MailboxStatistics:
    ramp, standing = Ramp.from_settings(settings), to_health_status(row)
    counts, sample = _to_counts(row), to_health_sample(row[-_SAMPLE_SIZE:])
    day = max(1, row.warmup_days + (0 if row.today_sent else 1))
    progress = ramp.progress_percent(warmup_day=day, daily_target=row.daily_target)
    legacy = None
    if counts.placed:
        legacy = health.compute_legacy_score(
            open_percent=counts.open_percent or 0, reply_percent=counts.reply_percent or 0, progress=progress,
            spam_percent=counts.spam_percent or 0,
        )  # fmt: skip
    return MailboxStatistics(
        address=row.address,
        counts=counts,
        today=_to_today(row, compute_volume_on(row.today, row, day - 1, now=row.now, settings=settings)),
        warmup_day=day,
        phase=ramp.describe_phase(warmup_day=day, daily_target=row.daily_target),
        progress=progress,
        band=standing.band,
        band_reason=standing.reason,
        band_since=standing.since,
        rests_until=standing.window_start
        if standing.is_resting(row.today) and standing.band is HealthBand.PAUSED
        else None,
        requalifies=standing.is_requalifying(row.today),
        sample=sample,
        score=health.compute_score(sample),
        legacy_score=legacy,
        legacy_grade=None if legacy is None else health.grade_score(legacy),
    )


def _to_today(row: Any, volume: DailyVolume) -> TodayStatistics:
    """Return the day as its row says, or as ramp and health allow it now where that is less, or there is no row."""
    ramp, planned, reduction_reason = row.today_ramp, row.today_planned, row.today_reduction_reason
    claimed, sent = int(row.today_claimed or 0), int(row.today_sent or 0)
    if planned is None:
        ramp, planned, reduction_reason = volume.ramp, volume.planned, volume.reduction_reason
    elif (least := max(claimed, volume.planned)) < planned:
        ramp, planned, reduction_reason = volume.ramp, least, volume.reduction_reason
    return TodayStatistics(
        ramp=ramp,
        planned=planned,
        claimed=claimed,
        sent=sent,
        pending=max(0, planned - sent),
        lowered_by=reduction_reason,
    )
