"""What the mailboxes of each domain may send today and after their ramp, and whether the pool can receive it."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ReadinessState
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import DomainVolume, HealthBand, Mailbox, MailboxDay, MailboxKind, OAuthGrant
from gmail_warmup.db.rows import DATA_ERRORS, describe_error
from gmail_warmup.domains.gate import GATED_DOMAINS
from gmail_warmup.mailboxes.schedules.columns import ALL_TAG_SCHEDULES, OWN_VALUES
from gmail_warmup.warmup.health.monitor import ZONE_DAYS
from gmail_warmup.warmup.planning.daily_plan import compute_volume_on
from gmail_warmup.warmup.planning.eligibility import IS_USABLE
from gmail_warmup.warmup.planning.schedules import resolve_schedule
from gmail_warmup.warmup.readiness.store import load_domain_readiness
from gmail_warmup.warmup.reporting.domain_days import UTC_TODAY

log = logging.getLogger(__name__)

_V = DomainVolume

MAX_AGE = timedelta(hours=1)
"""Stored volumes that are older are counted again."""

_LARGEST = ("largest_plan", "largest_target")
_SUMS = ("senders", "receivers", "planned", "target", *(state.value for state in ReadinessState), "cold_mails")


@dataclass(kw_only=True)
class Volume:
    """The volume of one domain, or of all; see ``DomainVolume``."""

    senders: int = 0
    receivers: int = 0
    planned: int = 0
    largest_plan: int = 0
    target: int = 0
    largest_target: int = 0
    ready: int = 0
    warming: int = 0
    resting: int = 0
    not_ready: int = 0
    cold_mails: int = 0
    counted_at: datetime | None = None

    def add(self, other: Any) -> None:
        """Add another volume."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _LARGEST:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        self.counted_at = self.counted_at or other.counted_at

    @property
    def readiness(self) -> dict[ReadinessState, int]:
        """Return the number of warmup mailboxes in each state of readiness."""
        return {state: getattr(self, state.value) for state in ReadinessState}


def count_needed_receivers(volume: int, largest: int, settings: Settings) -> int:
    """Return how many pool mailboxes can receive so many mails a day within the caps per pool mailbox and per pair.

    Args:
        largest: the most mails of one sender.
    """
    return max(-(-volume // settings.pool_daily_cap), -(-largest // settings.partner_daily_cap))


def load_volume(connection: sa.Connection, settings: Settings, *, domain: str = "") -> Volume:
    """Return the volume of one domain or of all: as the last run of a DAG counted it, or counted now if it is too old.

    Args:
        domain: empty for all.
    """
    row = connection.execute(_SELECT_VOLUME, {"domain": domain or None}).one()
    if row.counted_at is None:
        return count_volume(connection, settings, *([Mailbox.domain == domain] if domain else []))
    return Volume(**row._mapping)


def _build_volume_query() -> sa.Select[Any]:
    """Return the query of the stored volume of the parameter ``domain``; NULL for all."""
    chosen = sa.bindparam("domain", type_=sa.Text)
    is_chosen = sa.or_(chosen.is_(None), _V.domain == chosen)
    sums = {name: sa.func.sum(getattr(_V, name)) for name in _SUMS}
    largest = {name: sa.func.max(getattr(_V, name)) for name in _LARGEST}
    values = (sa.func.coalesce(value.filter(is_chosen), 0).label(name) for name, value in (sums | largest).items())
    counted_at = sa.func.max(_V.counted_at).label("counted_at")
    return sa.select(*values, counted_at).where(_V.counted_at > sa.func.now() - MAX_AGE)


_SELECT_VOLUME = _build_volume_query()


def count_volume(connection: sa.Connection, settings: Settings, *conditions: sa.ColumnElement[bool]) -> Volume:
    """Count the volume of the mailboxes that meet all conditions."""
    total = Volume()
    for volume in count_volumes(connection, settings, *conditions).values():
        total.add(volume)
    return total


def store_volumes(connection: sa.Connection, settings: Settings) -> None:
    """Count the volume of each domain and store it."""
    volumes = count_volumes(connection, settings)
    connection.execute(sa.delete(DomainVolume))
    rows = [{"domain": domain} | asdict(volume) for domain, volume in volumes.items()]
    if rows:
        connection.execute(sa.insert(DomainVolume), rows)


def count_volumes(
    connection: sa.Connection, settings: Settings, *conditions: sa.ColumnElement[bool]
) -> dict[str, Volume]:
    """Count the volume of each domain, of the mailboxes that meet all conditions.

    Mailboxes of one domain with the same target, schedule, warmup day and health are grouped, so the volume is computed
    once for each group. A mailbox with reduced volume is a group of its own.
    """
    volumes: dict[str, Volume] = defaultdict(Volume)
    calculator = _VolumeCalculator(settings)
    for row in connection.execute(_SELECT_SENDERS.where(*conditions)):
        first = calculator.compute_first_volume(row) if row.waiting else 0
        final = calculator.compute_final_volume(row) if row.senders else 0
        volumes[row.domain].add(
            Volume(
                senders=row.senders, planned=row.planned + row.waiting * first, largest_plan=max(row.largest, first),
                target=row.senders * final, largest_target=final, counted_at=row.now,
            )
        )  # fmt: skip
    for row in connection.execute(_COUNT_RECEIVERS.where(*conditions)):
        volumes[row.domain].add(Volume(receivers=row.mailboxes, counted_at=row.now))
    for stored in load_domain_readiness(connection, *conditions):
        volume = Volume(cold_mails=stored.cold_mails)
        for state, number in stored.mailboxes.items():
            setattr(volume, state.value, number)
        volumes[stored.domain].add(volume)
    return dict(volumes)


_COUNT_RECEIVERS = (
    sa.select(Mailbox.domain, sa.func.count().label("mailboxes"), sa.func.now().label("now"))
    .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    .where(Mailbox.kind == MailboxKind.POOL, IS_USABLE)
    .group_by(Mailbox.domain)
)


def _build_senders_query() -> sa.Select[Any]:
    today = ZONE_DAYS.c.today
    is_sender = sa.and_(IS_USABLE, Mailbox.domain.not_in(GATED_DOMAINS))
    is_waiting = sa.and_(MailboxDay.mailbox_id.is_(None), is_sender)
    groups = _build_group_columns(today)
    is_todays = sa.and_(
        MailboxDay.mailbox_id == Mailbox.id,
        MailboxDay.local_date == today,
        MailboxDay.local_date.between(UTC_TODAY - 1, UTC_TODAY + 1),  # for the index
    )
    return (
        sa.select(
            *groups,
            sa.func.now().label("now"),
            sa.func.count().filter(is_sender).label("senders"),
            sa.func.count().filter(is_waiting).label("waiting"),
            sa.func.coalesce(sa.func.sum(MailboxDay.planned), 0).label("planned"),
            sa.func.coalesce(sa.func.max(MailboxDay.planned), 0).label("largest"),
        )
        .select_from(Mailbox)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .join(ZONE_DAYS, ZONE_DAYS.c.timezone == Mailbox.timezone)
        .outerjoin(ALL_TAG_SCHEDULES, ALL_TAG_SCHEDULES.c.mailbox_id == Mailbox.id)
        .outerjoin(MailboxDay, is_todays)
        .where(Mailbox.kind == MailboxKind.WARMUP)
        .group_by(*(column.element if isinstance(column, sa.Label) else column for column in groups))
    )


def _build_group_columns(today: sa.ColumnElement[Any]) -> tuple[Any, ...]:
    """Return domain and the columns that determine the volume of a day."""
    # For healthy mailboxes, the time of the last change does not matter.
    is_healthy = Mailbox.band.in_((HealthBand.HEALTHY, HealthBand.WATCH))
    return (
        Mailbox.domain, Mailbox.daily_target, Mailbox.warmup_days, today.label("today"), Mailbox.band,
        Mailbox.band_reason, *OWN_VALUES, ALL_TAG_SCHEDULES.c.tag_schedules,
        sa.case((~is_healthy, Mailbox.band_since)).label("band_since"),
        sa.case((~is_healthy, Mailbox.health_window_start)).label("health_window_start"),
        sa.case((Mailbox.half_volume_on == today, Mailbox.half_volume_on)).label("half_volume_on"),
    )  # fmt: skip


_SELECT_SENDERS = _build_senders_query()
_KEY_LENGTH = len(_build_group_columns(ZONE_DAYS.c.today))


class _VolumeCalculator:
    """Compute the volumes of groups of mailboxes; a group with a value that breaks a rule has none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._first: dict[tuple[Any, ...], int] = {}

    def compute_first_volume(self, row: Any) -> int:
        """Return the mails of today of a mailbox that has not begun its day; none on a day without sending."""
        key = tuple(row)[1:_KEY_LENGTH]
        if key not in self._first:
            try:
                self._first[key] = self._compute_todays_volume(row)
            except DATA_ERRORS as error:
                self._first[key] = 0
                log.error(
                    "%d mailboxes are not counted, because a stored value breaks a rule: %s",
                    row.waiting, describe_error(error),
                )  # fmt: skip
        return self._first[key]

    def compute_final_volume(self, row: Any) -> int:
        """Return the mails a day at the end of the ramp."""
        try:
            return resolve_schedule(row, self._settings).ramp.compute_final_volume(row.daily_target)
        except DATA_ERRORS:
            return 0

    def _compute_todays_volume(self, row: Any) -> int:
        if not resolve_schedule(row, self._settings).is_sending_day(row.today):
            return 0
        return compute_volume_on(row.today, row, row.warmup_days, now=row.now, settings=self._settings).planned
