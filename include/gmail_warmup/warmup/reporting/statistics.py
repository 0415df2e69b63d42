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
from gmail_warmup.warmup.health.monitor import TODAY, sample_columns, sample_of, standing_of
from gmail_warmup.warmup.planning.daily_plan import Volume, volume_on
from gmail_warmup.warmup.planning.ramp import Ramp

_D = MailboxDay
_COUNTS = ("sent", "failed", "inbox", "spam", "elsewhere", "missing", "bounced", "rescued", "read", "replied")
_SAMPLE = len(sample_columns())

DAYS = 30
"""Local days, today included, that totals are over unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Counts:
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
        return _percent(self.read, self.placed)

    @property
    def reply_percent(self) -> float | None:
        """Return the share of the placed mails that were answered."""
        return _percent(self.replied, self.placed)

    @property
    def spam_percent(self) -> float | None:
        """Return the share of the placed mails that were put in spam."""
        return _percent(self.spam, self.placed)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


@dataclass(frozen=True, kw_only=True)
class Today:
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
    counts: Counts
    today: Today
    warmup_day: int
    phase: str
    progress: int
    band: HealthBand
    band_reason: str | None
    band_since: datetime | None
    rests_until: date | None
    requalifies: bool
    sample: health.Sample
    score: int | None
    legacy_score: int | None
    legacy_grade: str | None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """All warmup mailboxes together: the counts of the days asked for, today's mails, and how many are in each band."""

    mailboxes: int
    counts: Counts
    planned_today: int
    sent_today: int
    bands: dict[HealthBand, int]


@dataclass(frozen=True, kw_only=True)
class DayCounts:
    """One local day: what was planned and what became of the mails."""

    local_date: date
    ramp: int
    planned: int
    counts: Counts
    lowered_by: str | None = None


def of_mailbox(connection: sa.Connection, address: str, settings: Settings, *, days: int = DAYS) -> MailboxStatistics:
    """Return the statistics of one warmup mailbox.

    Raises:
        UnknownMailboxError: if no warmup mailbox has this address.
    """
    found = _statistics(connection, _of_address(days), {"address": address.strip().lower()}, settings)
    if not found:
        raise UnknownMailboxError(address)
    return next(iter(found.values()))


def of_page(
    connection: sa.Connection, mailbox_ids: Collection[int], settings: Settings, *, days: int = DAYS
) -> dict[int, MailboxStatistics]:
    """Return the statistics of the warmup mailboxes among these, by mailbox id."""
    return _statistics(connection, _of_ids(days), {"ids": list(mailbox_ids)}, settings)


def of_all(connection: sa.Connection, *, days: int = DAYS) -> Totals:
    """Return the statistics of all warmup mailboxes together."""
    # Summed by mailbox before they are summed by band: a month of 50,000 mailboxes is a million rows.
    today = _D.local_date == TODAY
    each = (
        sa.select(
            _D.mailbox_id, *(sa.func.sum(getattr(_D, name)).label(name) for name in _COUNTS),
            sa.func.sum(_D.planned).filter(today).label("planned_today"),
            sa.func.sum(_D.sent).filter(today).label("sent_today"),
        )
        .join(Mailbox, Mailbox.id == _D.mailbox_id)
        .where(_since(days))
        .group_by(_D.mailbox_id)
        .subquery()
    )  # fmt: skip
    sums = (*_COUNTS, "planned_today", "sent_today")
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
    added = {name: sum(int(getattr(row, name)) for row in rows) for name in _COUNTS}
    return Totals(
        mailboxes=sum(row.mailboxes for row in rows),
        counts=Counts(**added),
        planned_today=sum(int(row.planned_today) for row in rows),
        sent_today=sum(int(row.sent_today) for row in rows),
        bands={HealthBand(row.band): row.mailboxes for row in rows},
    )


def by_day(connection: sa.Connection, *, mailbox_id: int | None = None, days: int = DAYS) -> list[DayCounts]:
    """Return the days with a plan, the oldest first, of one warmup mailbox or of all together.

    For all together a day is the same date in each mailbox's zone.
    """
    reason = sa.func.min(_D.lowered_by) if mailbox_id is not None else sa.null()
    query = (
        sa.select(
            _D.local_date, sa.func.sum(_D.ramp).label("ramp"), sa.func.sum(_D.planned).label("planned"),
            reason.label("lowered_by"), *(sa.func.sum(getattr(_D, name)).label(name) for name in _COUNTS),
        )
        .join(Mailbox, Mailbox.id == _D.mailbox_id)
        .where(_since(days), sa.true() if mailbox_id is None else _D.mailbox_id == mailbox_id)
        .group_by(_D.local_date)
        .order_by(_D.local_date)
    )  # fmt: skip
    return [
        DayCounts(
            local_date=row.local_date, ramp=int(row.ramp), planned=int(row.planned), counts=_counts(row),
            lowered_by=row.lowered_by,
        )
        for row in connection.execute(query)
    ]  # fmt: skip


def _since(days: int) -> sa.ColumnElement[bool]:
    # Twice, so that the index on the day finds them: no zone's day is more than one away from the database's.
    return sa.and_(_D.local_date > TODAY - days, _D.local_date > sa.cast(sa.func.now(), sa.Date) - days - 1)


def _sums(days: int) -> list[sa.ColumnElement[Any]]:
    asked = _since(days)
    return [sa.func.coalesce(sa.func.sum(getattr(_D, name)).filter(asked), 0).label(name) for name in _COUNTS]


def _counts(row: Any) -> Counts:
    return Counts(**{name: int(getattr(row, name)) for name in _COUNTS})


def _statistics(
    connection: sa.Connection, query: sa.Select[Any], which: dict[str, Any], settings: Settings
) -> dict[int, MailboxStatistics]:
    return {row.id: _one(row, settings) for row in connection.execute(query, which)}


# Built once: building a statement of so many sums costs as much as executing it.
@functools.lru_cache(maxsize=16)
def _of_address(days: int) -> sa.Select[Any]:
    return _query(days).where(Mailbox.address == sa.bindparam("address"))


@functools.lru_cache(maxsize=16)
def _of_ids(days: int) -> sa.Select[Any]:
    return _query(days).where(Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))


def _query(days: int) -> sa.Select[Any]:
    today = _D.local_date == TODAY
    day_of = {name: sa.func.max(getattr(_D, name)).filter(today).label(f"today_{name}")
              for name in ("ramp", "planned", "claimed", "sent", "lowered_by")}  # fmt: skip
    columns: list[Any] = [
        Mailbox.id, Mailbox.address, Mailbox.daily_target, Mailbox.warmup_days, Mailbox.band, Mailbox.band_reason,
        Mailbox.band_since, Mailbox.health_from, Mailbox.halved_on, sa.func.now().label("now"), TODAY.label("today"),
        *day_of.values(), *_sums(days), *sample_columns(),
    ]  # fmt: skip
    return (
        sa.select(*columns)
        .outerjoin(_D, sa.and_(_D.mailbox_id == Mailbox.id, _D.local_date > TODAY - max(days, health.WINDOW.days)))
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(Mailbox.id)
        .order_by(Mailbox.address)
    )


def _one(row: Any, settings: Settings) -> MailboxStatistics:
    ramp, standing = Ramp.of(settings), standing_of(row)
    counts, sample = _counts(row), sample_of(row[-_SAMPLE:])
    day = max(1, row.warmup_days + (0 if row.today_sent else 1))
    progress = ramp.progress(warmup_day=day, daily_target=row.daily_target)
    legacy = None
    if counts.placed:
        legacy = health.legacy_score(
            open_percent=counts.open_percent or 0, reply_percent=counts.reply_percent or 0, progress=progress,
            spam_percent=counts.spam_percent or 0,
        )  # fmt: skip
    return MailboxStatistics(
        address=row.address,
        counts=counts,
        today=_today(row, volume_on(row.today, row, day - 1, now=row.now, settings=settings)),
        warmup_day=day,
        phase=ramp.phase(warmup_day=day, daily_target=row.daily_target),
        progress=progress,
        band=standing.band,
        band_reason=standing.reason,
        band_since=standing.since,
        rests_until=standing.sample_from if standing.rests(row.today) and standing.band is HealthBand.PAUSED else None,
        requalifies=standing.requalifies(row.today),
        sample=sample,
        score=health.score(sample),
        legacy_score=legacy,
        legacy_grade=None if legacy is None else health.grade(legacy),
    )


def _today(row: Any, volume: Volume) -> Today:
    """Return the day as its row says, or as ramp and health allow it now where that is less, or there is no row."""
    ramp, planned, lowered_by = row.today_ramp, row.today_planned, row.today_lowered_by
    claimed, sent = int(row.today_claimed or 0), int(row.today_sent or 0)
    if planned is None:
        ramp, planned, lowered_by = volume.ramp, volume.planned, volume.lowered_by
    elif (least := max(claimed, volume.planned)) < planned:
        ramp, planned, lowered_by = volume.ramp, least, volume.lowered_by
    return Today(
        ramp=ramp,
        planned=planned,
        claimed=claimed,
        sent=sent,
        pending=max(0, planned - sent),
        lowered_by=lowered_by,
    )
