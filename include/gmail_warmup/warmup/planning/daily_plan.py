"""Plan the day of one sender: the number of mails, their slots, the slots that are due, and the next send time.

All functions except ``load_histories`` are pure: the same mailbox, history, time and settings give the same result.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Halt, Mailbox, MailboxDay
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.health import bands
from gmail_warmup.warmup.health.monitor import LOCAL_TODAY, to_health_status
from gmail_warmup.warmup.planning.schedules import Schedule, resolve_schedule
from gmail_warmup.warmup.planning.slots import Slot, plan_slots, select_due_slots

_DAY = timedelta(days=1)
_MAX_DAYS_AHEAD = 14
"""Local days that are searched for the next slot; a hint further ahead has no use."""


@dataclass(frozen=True, kw_only=True)
class SendingHistory:
    """What a sender has sent so far.

    Attributes:
        days: days before today with at least one mail sent.
        claimed_slots: numbers of the slots claimed today.
        last_claim: time of the last claim, today or yesterday (aware).
        planned: today's volume, once the first claim has fixed it.
        halt_ended_at: when the last halt ended (aware).
    """

    days: int = 0
    claimed_slots: tuple[int, ...] = ()
    last_claim: datetime | None = None
    planned: int | None = None
    halt_ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DailyVolume:
    """The mails of a day: allowed by the ramp, planned, and the reason code if fewer are planned than allowed."""

    ramp: int
    planned: int
    reduction_reason: str | None = None


def compute_todays_volume(
    mailbox: MailboxRecord, history: SendingHistory, *, now: datetime, settings: Settings
) -> DailyVolume:
    """Return today's volume: that of the ramp, reduced by mailbox health and by Google's sending limit.

    The first claim of the day fixes it; afterwards it can only be reduced.
    """
    volume = compute_volume_on(_get_local_date(mailbox, now), mailbox, history.days, now=now, settings=settings)
    if history.planned is None or history.planned >= volume.planned:
        return volume
    return DailyVolume(ramp=volume.ramp, planned=history.planned, reduction_reason=volume.reduction_reason)


def compute_volume_on(day: date, mailbox: Any, days: int, *, now: datetime, settings: Settings) -> DailyVolume:
    """Return the volume of a local day before its first claim, reduced by mailbox health and Google's sending limit.

    Args:
        mailbox: a record, or a row with the columns of its target, its schedule, its health status and
            ``half_volume_on``.
        days: earlier days with at least one mail sent.
    """
    ramp = resolve_schedule(mailbox, settings).ramp.compute_volume(
        warmup_day=days + 1, daily_target=mailbox.daily_target
    )
    planned, reduction_reason = bands.compute_allowed_volume(to_health_status(mailbox), ramp, now=now, today=day)
    if mailbox.half_volume_on == day and planned > 1:
        planned, reduction_reason = planned // 2, "halved"
    return DailyVolume(ramp=ramp, planned=planned, reduction_reason=reduction_reason)


def plan_todays_slots(
    mailbox: MailboxRecord, history: SendingHistory, *, now: datetime, settings: Settings
) -> tuple[Slot, ...]:
    """Return today's slots of a warmup mailbox."""
    volume = compute_todays_volume(mailbox, history, now=now, settings=settings)
    return _plan_slots_on(_get_local_date(mailbox, now), mailbox, history, volume.planned, settings)


def _plan_slots_on(
    day: date, mailbox: MailboxRecord, history: SendingHistory, volume: int, settings: Settings
) -> tuple[Slot, ...]:
    schedule = resolve_schedule(mailbox, settings)
    if volume < 1 or not schedule.is_sending_day(day):
        return ()
    openings = (mailbox.created_at, mailbox.resumed_at, mailbox.granted_at, history.halt_ended_at)
    # A run sends one mail per mailbox, so slots are at least one run apart and end before the last run of the day.
    start, end = schedule.window
    return plan_slots(
        seed=mailbox.address,
        local_date=day,
        zone=mailbox.zone,
        volume=volume,
        window=(start, max(start + 1, end - settings.run_interval // 60)),
        min_gap=timedelta(seconds=max(settings.min_gap, settings.run_interval)),
        open_from=max(opening for opening in openings if opening is not None),
        scale=settings.delay_scale,
    )


def is_sending_time(schedule: Schedule, zone: ZoneInfo, *, now: datetime) -> bool:
    """Return whether it is a sending day and a sending hour of a schedule in a time zone."""
    local = now.astimezone(zone)
    start, end = schedule.window
    return start <= local.hour * 60 + local.minute < end and schedule.is_sending_day(local.date())


def find_due_slots(
    mailbox: MailboxRecord, history: SendingHistory, *, now: datetime, settings: Settings
) -> tuple[Slot, ...]:
    """Return the slots that may be claimed now; at most one if a minimum gap is set.

    Slots missed during an outage are sent one gap apart within the sending window; those left at its end are dropped.
    """
    gap = get_min_gap(settings)
    if history.last_claim and gap and now - history.last_claim < gap:
        return ()
    if not is_sending_time(resolve_schedule(mailbox, settings), mailbox.zone, now=now):
        return ()
    volume = compute_todays_volume(mailbox, history, now=now, settings=settings).planned
    remaining = volume - len(history.claimed_slots)
    if remaining < 1:
        return ()
    slots = _plan_slots_on(_get_local_date(mailbox, now), mailbox, history, volume, settings)
    due = select_due_slots(slots, now=now, claimed=history.claimed_slots)
    return due[:1] if gap else due[:remaining]


def get_min_gap(settings: Settings) -> timedelta:
    """Return the minimum time between two mails of one mailbox."""
    return timedelta(seconds=settings.min_gap * settings.delay_scale)


def find_next_send_time(
    mailbox: MailboxRecord, history: SendingHistory, *, now: datetime, settings: Settings
) -> datetime:
    """Return the earliest time at which a slot may be due, as far as is known now; a hint, see ``next_send``."""
    slots: tuple[Slot, ...] = ()
    if not _is_day_over(mailbox, now, settings):
        slots = plan_todays_slots(mailbox, history, now=now, settings=settings)
    if open_slots := [slot for slot in slots if slot.number not in history.claimed_slots]:
        earliest = open_slots[0].due_at
        return max(earliest, history.last_claim + get_min_gap(settings)) if history.last_claim else earliest
    return _find_slot_on_later_day(mailbox, history, now=now, settings=settings) or now + _DAY


def _find_slot_on_later_day(
    mailbox: MailboxRecord, history: SendingHistory, *, now: datetime, settings: Settings
) -> datetime | None:
    today, schedule = _get_local_date(mailbox, now), resolve_schedule(mailbox, settings)
    # Today counts as a warmup day as soon as one of its mails is sent.
    warmup_days = history.days + bool(history.claimed_slots)
    for ahead in range(1, _MAX_DAYS_AHEAD):
        day = today + ahead * _DAY
        if not schedule.is_sending_day(day):
            continue
        volume = compute_volume_on(day, mailbox, warmup_days, now=now, settings=settings).planned
        if slots := _plan_slots_on(day, mailbox, history, volume, settings):
            return slots[0].due_at
    return None


def _is_day_over(mailbox: MailboxRecord, now: datetime, settings: Settings) -> bool:
    local = now.astimezone(mailbox.zone)
    return local.hour * 60 + local.minute >= resolve_schedule(mailbox, settings).window[1]


def find_next_sending_day(mailbox: MailboxRecord, *, now: datetime, settings: Settings) -> date:
    """Return the next local sending day after today; the one after a year without any is not searched for."""
    today, schedule = _get_local_date(mailbox, now), resolve_schedule(mailbox, settings)
    days = (today + ahead * _DAY for ahead in range(1, 367))
    return next((day for day in days if schedule.is_sending_day(day)), today + _DAY)


def _get_local_date(mailbox: MailboxRecord, now: datetime) -> date:
    return now.astimezone(mailbox.zone).date()


_RECENT_CLAIMS = (
    sa.select(
        sa.func.array_agg(L.slot).filter(L.local_date == LOCAL_TODAY).label("claimed_slots"),
        sa.func.max(L.claimed_at).label("last_claim"),
    )
    .where(L.sender_id == Mailbox.id, L.local_date >= LOCAL_TODAY - 1, L.parent_id.is_(None))
    .correlate(Mailbox)
    .lateral("recent")
)
_SENT_TODAY = sa.case((MailboxDay.sent > 0, 1), else_=0)
_SELECT_HISTORIES = (
    sa.select(
        Mailbox.id, sa.func.greatest(0, Mailbox.warmup_days - _SENT_TODAY).label("days"), MailboxDay.planned,
        _RECENT_CLAIMS.c.claimed_slots, _RECENT_CLAIMS.c.last_claim,
        sa.select(sa.func.max(Halt.ended_at)).scalar_subquery().label("halt_ended_at"),
    )
    .outerjoin(MailboxDay, sa.and_(MailboxDay.mailbox_id == Mailbox.id, MailboxDay.local_date == LOCAL_TODAY))
    .outerjoin(_RECENT_CLAIMS, sa.true())
)  # fmt: skip
_SELECT_HISTORIES_BY_ID = _SELECT_HISTORIES.where(
    Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger)))
)


def load_histories(connection: sa.Connection, mailbox_ids: Collection[int] | None = None) -> dict[int, SendingHistory]:
    """Return the sending history of some mailboxes, or of all, by mailbox id.

    Per mailbox it reads one row of counts and one entry of a ledger index, however long the mailbox has been sending.
    """
    if mailbox_ids is None:
        rows = connection.execute(_SELECT_HISTORIES)
    else:
        rows = connection.execute(_SELECT_HISTORIES_BY_ID, {"ids": list(mailbox_ids)})
    return {row.id: _to_history(row) for row in rows}


def _to_history(row: Any) -> SendingHistory:
    return SendingHistory(
        days=row.days,
        claimed_slots=tuple(row.claimed_slots or ()),
        last_claim=row.last_claim,
        planned=row.planned,
        halt_ended_at=row.halt_ended_at,
    )
