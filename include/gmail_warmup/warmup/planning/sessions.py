"""Plan the sessions of a mailbox: the moments at which its owner looks into it, as a pure function.

Everything that is due in a mailbox is due at one of its sessions, so one task does it in one visit. There is a session
about every ``session_interval`` in the sending hours of a sending day, about every ``off_hours_session_interval`` at
other times, and none in the night pause. Instants are whole microseconds since 1970 in UTC, see ``hour_bands``.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from gmail_warmup.core.settings import Settings
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.planning.hour_bands import EPOCH, MICROSECOND, HourBand, locate_bands
from gmail_warmup.warmup.planning.schedules import find_schedule

IRREGULARITY = 0.6
"""A session is in this first share of its interval: two sessions are 0.4 to 1.6 intervals apart."""
_WORKING, _OFF_HOURS = "working", "off hours"
_MAX_DAYS_AHEAD = 3


def plan_sessions(mailbox: MailboxRecord, local_date: date, settings: Settings) -> tuple[datetime, ...]:
    """Return the sessions of a mailbox on a local date, in order of time (UTC)."""
    return tuple(
        _to_datetime(_draw_instant(mailbox, band, number, count))
        for band, count in _list_bands(mailbox, local_date, settings)
        for number in range(count)
    )


def find_next_session(mailbox: MailboxRecord, at: datetime, settings: Settings) -> datetime:
    """Return the first session of a mailbox at or after a time (aware)."""
    instant, today = (at - EPOCH) // MICROSECOND, at.astimezone(mailbox.zone).date()
    for ahead in range(-1, _MAX_DAYS_AHEAD):
        for band, count in _list_bands(mailbox, today + timedelta(days=ahead), settings):
            found = _find_in_band(mailbox, band, count, instant)
            if found is not None:
                return _to_datetime(found)
    return at  # there is no hour without night pause


def is_awake(mailbox: MailboxRecord, at: datetime, settings: Settings) -> bool:
    """Return whether a time (aware) is outside of the night pause in the zone of the mailbox."""
    local = at.astimezone(mailbox.zone)
    return not _is_within(local.hour * 60 + local.minute, settings.night_minutes)


def _find_in_band(mailbox: MailboxRecord, band: HourBand, count: int, instant: int) -> int | None:
    """Return the first session of a band at or after an instant, without drawing those before it."""
    if band.end <= instant:
        return None
    number = max(0, (instant - band.start) * count // band.length)
    drawn = (_draw_instant(mailbox, band, one, count) for one in range(number, min(number + 2, count)))
    return next((session for session in drawn if session >= instant), None)


def _draw_instant(mailbox: MailboxRecord, band: HourBand, number: int, count: int) -> int:
    """Return one of the sessions of a band, which is divided into as many equal parts."""
    start = band.start + number * band.length // count
    length = band.start + (number + 1) * band.length // count - start
    # Random(str) hashes with SHA-512 and random() is documented to stay the same in later versions of Python.
    rng = random.Random(f"session:{mailbox.address}:{start}")  # noqa: S311  # variety, not a secret
    return start + int(length * IRREGULARITY * rng.random())


def _list_bands(mailbox: MailboxRecord, local_date: date, settings: Settings) -> Iterator[tuple[HourBand, int]]:
    """Yield the bands of a local date in order of time, each with its number of sessions."""
    schedule = find_schedule(mailbox, settings)
    working = schedule.window if schedule.is_sending_day(local_date) else None
    for band in _split_day(local_date, mailbox.zone, working, settings.night_minutes):
        seconds = settings.session_interval if band.kind == _WORKING else settings.off_hours_session_interval
        interval = max(1, timedelta(seconds=seconds) * settings.delay_scale // MICROSECOND)
        yield band, max(1, (band.length + interval // 2) // interval)


@lru_cache(maxsize=4096)
def _split_day(
    local_date: date, zone: ZoneInfo, working: tuple[int, int] | None, night: tuple[int, int] | None
) -> tuple[HourBand, ...]:
    """Return the working hours and the other hours of a local date, without the night pause."""
    edges = sorted({0, 1440, *(working or ()), *(night or ())})
    ranges = [
        (first, last, _WORKING if _is_within(first, working) else _OFF_HOURS)
        for first, last in pairwise(edges)
        if not _is_within(first, night)
    ]
    return locate_bands(local_date, zone, ranges)


def _is_within(minute: int, hours: tuple[int, int] | None) -> bool:
    """Return whether a minute of the day is within hours, which may include midnight."""
    if hours is None:
        return False
    begin, end = hours
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def _to_datetime(instant: int) -> datetime:
    return EPOCH + instant * MICROSECOND
