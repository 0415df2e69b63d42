"""The day of one sender: how many mails, in which slots, which of them are due, and when to look again.

Everything but `histories` is pure: the same mailbox, history, time and settings give the same answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
from gmail_warmup.warmup.planning.ramp import Ramp
from gmail_warmup.warmup.planning.slots import Slot, plan_slots, select_due_slots

_DAY = timedelta(days=1)
_MAX_DAYS_AHEAD = 14
"""Local days in which the next slot is looked for; further ahead nobody needs a hint."""


@dataclass(frozen=True, kw_only=True)
class SendingHistory:
    """What a sender did.

    Attributes:
        days: days with a mail sent, before today.
        taken: slots claimed today.
        last_claim: when it last claimed a slot, today or yesterday (aware).
        planned: today's volume, where it is fixed already.
        halt_ended_at: when the last halt of everything ended (aware).
    """

    days: int = 0
    claimed_slots: tuple[int, ...] = ()
    last_claim: datetime | None = None
    planned: int | None = None
    halt_ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DailyVolume:
    """Mails of a day: what the ramp allows, what is planned, and the reason code where that is less."""

    ramp: int
    planned: int
    reduction_reason: str | None = None


def compute_todays_volume(
    mailbox: MailboxRecord, history: SendingHistory, *, now: datetime, settings: Settings
) -> DailyVolume:
    """Return today's volume: the ramp's, lowered by health and by Google's sending limit.

    It is fixed at the day's first claim; afterwards it can only be lowered.
    """
    volume = compute_volume_on(_get_local_date(mailbox, now), mailbox, history.days, now=now, settings=settings)
    if history.planned is None or history.planned >= volume.planned:
        return volume
    return DailyVolume(ramp=volume.ramp, planned=history.planned, reduction_reason=volume.reduction_reason)


def compute_volume_on(day: date, mailbox: Any, days: int, *, now: datetime, settings: Settings) -> DailyVolume:
    """Return the volume of a local day before its first claim: the ramp's, lowered by health and Google's limit.

    Args:
        mailbox: a record, or a row that has its target, its standing and ``half_volume_on``.
        days: earlier days on which it sent at least one mail.
    """
    ramp = Ramp.from_settings(settings).compute_volume(warmup_day=days + 1, daily_target=mailbox.daily_target)
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
    if volume < 1:
        return ()
    openings = (mailbox.created_at, mailbox.resumed_at, mailbox.granted_at, history.halt_ended_at)
    # A run sends one mail per mailbox, so slots lie a run apart, and the last run of the day still sends the last one.
    start, end = settings.sending_window_minutes
    return plan_slots(
        seed=mailbox.address,
        local_date=day,
        zone=mailbox.zone,
        volume=volume,
        window=(start, max(start + 1, end - settings.run_interval // 60)),
        weekdays=settings.sending_weekdays,
        min_gap=timedelta(seconds=max(settings.min_gap, settings.run_interval)),
        # A day that began before opens at the beginning of its hours.
        open_from=max(when for when in openings if when is not None),
        scale=settings.delay_scale,
    )


def is_sending_time(zone: ZoneInfo, *, now: datetime, settings: Settings) -> bool:
    """Tell whether it is a sending day and hour in a zone."""
    local = now.astimezone(zone)
    start, end = settings.sending_window_minutes
    return local.weekday() in settings.sending_weekdays and start <= local.hour * 60 + local.minute < end


def find_due_slots(
    mailbox: MailboxRecord, history: SendingHistory, *, now: datetime, settings: Settings
) -> tuple[Slot, ...]:
    """Return the slots that may be claimed now; at most one if a minimum gap is set.

    Slots that an outage left behind are sent one gap apart, within the hours; what the day's end cuts off is not
    carried over.
    """
    apart = get_min_gap(settings)
    if history.last_claim and apart and now - history.last_claim < apart:
        return ()
    if not is_sending_time(mailbox.zone, now=now, settings=settings):
        return ()
    volume = compute_todays_volume(mailbox, history, now=now, settings=settings).planned
    left = volume - len(history.claimed_slots)
    if left < 1:
        return ()
    slots = _plan_slots_on(_get_local_date(mailbox, now), mailbox, history, volume, settings)
    due = select_due_slots(slots, now=now, taken=history.claimed_slots)
    return due[:1] if apart else due[:left]


def get_min_gap(settings: Settings) -> timedelta:
    """Return how far two mails of one mailbox are apart at least."""
    return timedelta(seconds=settings.min_gap * settings.delay_scale)


def find_next_send_time(
    mailbox: MailboxRecord, history: SendingHistory, *, now: datetime, settings: Settings
) -> datetime:
    """Return when something may next be due, as far as is known now; a hint, see `hints`."""
    today = _get_local_date(mailbox, now)
    slots = (
        plan_todays_slots(mailbox, history, now=now, settings=settings)
        if not _is_day_over(mailbox, now, settings)
        else ()
    )
    if free := [slot.due_at for slot in slots if slot.number not in history.claimed_slots]:
        return max(free[0], history.last_claim + get_min_gap(settings)) if history.last_claim else free[0]
    # Today counts as a day of the warmup as soon as one of its mails is out.
    days = history.days + bool(history.claimed_slots)
    for ahead in range(1, _MAX_DAYS_AHEAD):
        day = today + ahead * _DAY
        if day.weekday() in settings.sending_weekdays:
            volume = compute_volume_on(day, mailbox, days, now=now, settings=settings).planned
            if later := _plan_slots_on(day, mailbox, history, volume, settings):
                return later[0].due_at
    return now + _DAY


def _is_day_over(mailbox: MailboxRecord, now: datetime, settings: Settings) -> bool:
    local = now.astimezone(mailbox.zone)
    return local.hour * 60 + local.minute >= settings.sending_window_minutes[1]


def find_next_sending_day(mailbox: MailboxRecord, *, now: datetime, settings: Settings) -> date:
    """Return the next local day after today on which mails are sent."""
    days = (_get_local_date(mailbox, now) + ahead * _DAY for ahead in range(1, 8))
    return next(day for day in days if day.weekday() in settings.sending_weekdays)


def _get_local_date(mailbox: MailboxRecord, now: datetime) -> date:
    return now.astimezone(mailbox.zone).date()


def load_histories(connection: sa.Connection, mailbox_ids: Collection[int] | None = None) -> dict[int, SendingHistory]:
    """Return what mailboxes did, by mailbox id; all of them unless some are named.

    It costs one row of counts and one look into the ledger's index for each, however long they have been sending.
    """
    if mailbox_ids is None:
        rows = connection.execute(_SELECT_HISTORIES)
    else:
        rows = connection.execute(_SELECT_HISTORIES_BY_ID, {"ids": list(mailbox_ids)})
    return {row.id: _to_history(row) for row in rows}


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


def _to_history(row: Any) -> SendingHistory:
    taken: Sequence[int] = row.claimed_slots or ()
    return SendingHistory(
        days=row.days,
        claimed_slots=tuple(taken),
        last_claim=row.last_claim,
        planned=row.planned,
        halt_ended_at=row.halt_ended_at,
    )
