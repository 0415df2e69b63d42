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
from gmail_warmup.warmup.health.monitor import TODAY, standing_of
from gmail_warmup.warmup.planning.ramp import Ramp
from gmail_warmup.warmup.planning.slots import Slot, day_plan, slots_due

_DAY = timedelta(days=1)
_AHEAD = 14
"""Local days in which the next slot is looked for; further ahead nobody needs a hint."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What a sender did.

    Attributes:
        days: days with a mail sent, before today.
        taken: slots claimed today.
        last_claim: when it last claimed a slot, today or yesterday (aware).
        planned: today's volume, where it is fixed already.
        reopened: when the last halt of everything ended (aware).
    """

    days: int = 0
    taken: tuple[int, ...] = ()
    last_claim: datetime | None = None
    planned: int | None = None
    reopened: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Mails of a day: what the ramp allows, what is planned, and the reason code where that is less."""

    ramp: int
    planned: int
    lowered_by: str | None = None


def volume_today(mailbox: MailboxRecord, history: History, *, now: datetime, settings: Settings) -> Volume:
    """Return today's volume: the ramp's, lowered by health and by Google's sending limit.

    It is fixed at the day's first claim; afterwards it can only be lowered.
    """
    volume = volume_on(_today(mailbox, now), mailbox, history.days, now=now, settings=settings)
    if history.planned is None or history.planned >= volume.planned:
        return volume
    return Volume(ramp=volume.ramp, planned=history.planned, lowered_by=volume.lowered_by)


def volume_on(day: date, mailbox: Any, days: int, *, now: datetime, settings: Settings) -> Volume:
    """Return the volume of a local day before its first claim: the ramp's, lowered by health and Google's limit.

    Args:
        mailbox: a record, or a row that has its target, its standing and ``halved_on``.
        days: earlier days on which it sent at least one mail.
    """
    ramp = Ramp.of(settings).volume(warmup_day=days + 1, daily_target=mailbox.daily_target)
    planned, lowered_by = bands.allowance(standing_of(mailbox), ramp, now=now, today=day)
    if mailbox.halved_on == day and planned > 1:
        planned, lowered_by = planned // 2, "halved"
    return Volume(ramp=ramp, planned=planned, lowered_by=lowered_by)


def slots_of(mailbox: MailboxRecord, history: History, *, now: datetime, settings: Settings) -> tuple[Slot, ...]:
    """Return today's slots of a warmup mailbox."""
    volume = volume_today(mailbox, history, now=now, settings=settings)
    return _slots_on(_today(mailbox, now), mailbox, history, volume.planned, settings)


def _slots_on(day: date, mailbox: MailboxRecord, history: History, volume: int, settings: Settings) -> tuple[Slot, ...]:
    if volume < 1:
        return ()
    openings = (mailbox.created_at, mailbox.resumed_at, mailbox.granted_at, history.reopened)
    # A run sends one mail per mailbox, so slots lie a run apart, and the last run of the day still sends the last one.
    start, end = settings.window_minutes
    return day_plan(
        seed=mailbox.address,
        local_date=day,
        zone=mailbox.zone,
        volume=volume,
        window=(start, max(start + 1, end - settings.run_interval // 60)),
        weekdays=settings.weekdays,
        min_gap=timedelta(seconds=max(settings.min_gap, settings.run_interval)),
        # A day that began before opens at the beginning of its hours.
        open_from=max(when for when in openings if when is not None),
        scale=settings.delay_scale,
    )


def in_hours(zone: ZoneInfo, *, now: datetime, settings: Settings) -> bool:
    """Tell whether it is a sending day and hour in a zone."""
    local = now.astimezone(zone)
    start, end = settings.window_minutes
    return local.weekday() in settings.weekdays and start <= local.hour * 60 + local.minute < end


def send_due(mailbox: MailboxRecord, history: History, *, now: datetime, settings: Settings) -> tuple[Slot, ...]:
    """Return the slots that may be claimed now; at most one if a minimum gap is set.

    Slots that an outage left behind are sent one gap apart, within the hours; what the day's end cuts off is not
    carried over.
    """
    apart = gap(settings)
    if history.last_claim and apart and now - history.last_claim < apart:
        return ()
    if not in_hours(mailbox.zone, now=now, settings=settings):
        return ()
    volume = volume_today(mailbox, history, now=now, settings=settings).planned
    left = volume - len(history.taken)
    if left < 1:
        return ()
    slots = _slots_on(_today(mailbox, now), mailbox, history, volume, settings)
    due = slots_due(slots, now=now, taken=history.taken)
    return due[:1] if apart else due[:left]


def gap(settings: Settings) -> timedelta:
    """Return how far two mails of one mailbox are apart at least."""
    return timedelta(seconds=settings.min_gap * settings.delay_scale)


def next_send(mailbox: MailboxRecord, history: History, *, now: datetime, settings: Settings) -> datetime:
    """Return when something may next be due, as far as is known now; a hint, see `hints`."""
    today = _today(mailbox, now)
    slots = slots_of(mailbox, history, now=now, settings=settings) if not _is_over(mailbox, now, settings) else ()
    if free := [slot.due_at for slot in slots if slot.number not in history.taken]:
        return max(free[0], history.last_claim + gap(settings)) if history.last_claim else free[0]
    # Today counts as a day of the warmup as soon as one of its mails is out.
    days = history.days + bool(history.taken)
    for ahead in range(1, _AHEAD):
        day = today + ahead * _DAY
        if day.weekday() in settings.weekdays:
            volume = volume_on(day, mailbox, days, now=now, settings=settings).planned
            if later := _slots_on(day, mailbox, history, volume, settings):
                return later[0].due_at
    return now + _DAY


def _is_over(mailbox: MailboxRecord, now: datetime, settings: Settings) -> bool:
    local = now.astimezone(mailbox.zone)
    return local.hour * 60 + local.minute >= settings.window_minutes[1]


def next_sending_day(mailbox: MailboxRecord, *, now: datetime, settings: Settings) -> date:
    """Return the next local day after today on which mails are sent."""
    days = (_today(mailbox, now) + ahead * _DAY for ahead in range(1, 8))
    return next(day for day in days if day.weekday() in settings.weekdays)


def _today(mailbox: MailboxRecord, now: datetime) -> date:
    return now.astimezone(mailbox.zone).date()


def histories(connection: sa.Connection, mailbox_ids: Collection[int] | None = None) -> dict[int, History]:
    """Return what mailboxes did, by mailbox id; all of them unless some are named.

    It costs one row of counts and one look into the ledger's index for each, however long they have been sending.
    """
    if mailbox_ids is None:
        rows = connection.execute(_HISTORIES)
    else:
        rows = connection.execute(_HISTORIES_OF, {"ids": list(mailbox_ids)})
    return {row.id: _history(row) for row in rows}


_RECENT = (
    sa.select(
        sa.func.array_agg(L.slot).filter(L.local_date == TODAY).label("taken"),
        sa.func.max(L.claimed_at).label("last_claim"),
    )
    .where(L.sender_id == Mailbox.id, L.local_date >= TODAY - 1, L.parent_id.is_(None))
    .correlate(Mailbox)
    .lateral("recent")
)
_SENT_TODAY = sa.case((MailboxDay.sent > 0, 1), else_=0)
_HISTORIES = (
    sa.select(
        Mailbox.id, sa.func.greatest(0, Mailbox.warmup_days - _SENT_TODAY).label("days"), MailboxDay.planned,
        _RECENT.c.taken, _RECENT.c.last_claim,
        sa.select(sa.func.max(Halt.ended_at)).scalar_subquery().label("reopened"),
    )
    .outerjoin(MailboxDay, sa.and_(MailboxDay.mailbox_id == Mailbox.id, MailboxDay.local_date == TODAY))
    .outerjoin(_RECENT, sa.true())
)  # fmt: skip
_HISTORIES_OF = _HISTORIES.where(Mailbox.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))


def _history(row: Any) -> History:
    taken: Sequence[int] = row.taken or ()
    return History(
        days=row.days, taken=tuple(taken), last_claim=row.last_claim, planned=row.planned, reopened=row.reopened
    )
