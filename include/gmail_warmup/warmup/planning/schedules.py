"""The schedule of a mailbox: when and how much it sends, and what happens to its mails.

Each value is that of the mailbox; if it has none, that of the first of its tags, by alphabet, that has one; otherwise
that of the option with the same name. Everything that plans, shows or counts takes the values from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

import sqlalchemy as sa

from gmail_warmup.core.enums import ScheduleOrigin
from gmail_warmup.core.option_types import DAY_NAMES, parse_days_off, parse_holidays, parse_time_range
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Mailbox
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.mailboxes.schedules.columns import ALL_TAG_SCHEDULES, OWN_VALUES
from gmail_warmup.mailboxes.schedules.stored import InvalidScheduleError, read_own_values, read_tag_schedules
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES
from gmail_warmup.warmup.planning.days_off import is_public_holiday
from gmail_warmup.warmup.planning.ramp import Ramp, RampKind

_CACHED = 4096
_get_values = attrgetter(*SCHEDULE_NAMES)
_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True, kw_only=True)
class ScheduleValue:
    """One value of a schedule and where it comes from; ``tag`` names the tag if it comes from one."""

    value: str | int
    origin: ScheduleOrigin
    tag: str | None = None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The effective schedule of a mailbox.

    Attributes:
        window: start and end of the sending window in minutes of the local day.
        weekdays: the sending days; Monday is 0.
        holidays: country and subdivision of the calendars of public holidays.
        days_off: further local dates without sending.
        language: of the threads that the mailbox starts; None for any of the templates.
    """

    window: tuple[int, int]
    weekdays: frozenset[int]
    holidays: tuple[tuple[str, str | None], ...]
    days_off: frozenset[date]
    ramp: Ramp
    open_rate: int
    reply_rate: int
    rescue_rate: int
    important_rate: int
    star_rate: int
    language: str | None

    @classmethod
    def from_settings(cls, settings: Settings) -> Schedule:
        """Return the schedule of a mailbox that has no value of its own, nor from a tag."""
        return _build_schedule((None,) * len(SCHEDULE_NAMES), None, _get_values(settings))

    def is_sending_day(self, day: date) -> bool:
        """Return whether mails are sent on a local date."""
        return (
            day.weekday() in self.weekdays
            and day not in self.days_off
            and not any(is_public_holiday(day, *calendar) for calendar in self.holidays)
        )


def resolve_schedule(mailbox: Any, settings: Settings) -> Schedule:
    """Return the schedule of a mailbox.

    Args:
        mailbox: a record, or a row with the columns of ``mailboxes.schedules.columns.SCHEDULE_COLUMNS``.

    Raises:
        InvalidScheduleError: a stored value breaks its rule; the message names the mailbox if its address was read.
    """
    return _apply(_build_schedule, mailbox, settings)


def find_schedule(mailbox: Any, settings: Settings) -> Schedule:
    """Return the schedule of a mailbox; that of the options if a stored value breaks its rule.

    For views, and for what another mailbox does with mail of this one: a bad value of one stops nobody else.
    """
    try:
        return resolve_schedule(mailbox, settings)
    except InvalidScheduleError:
        return Schedule.from_settings(settings)


def explain_schedule(mailbox: Any, settings: Settings) -> Mapping[str, ScheduleValue]:
    """Return each value of the schedule of a mailbox with its origin, by name; arguments as `resolve_schedule`."""
    return _apply(_find_values, mailbox, settings)


def _apply(
    compute: Callable[[tuple[Any, ...], str | None, tuple[Any, ...]], _ResultT], mailbox: Any, settings: Settings
) -> _ResultT:
    try:
        return compute(_get_values(mailbox), mailbox.tag_schedules, _get_values(settings))
    except InvalidScheduleError as error:
        raise InvalidScheduleError(error.values, getattr(mailbox, "address", "")) from None


@lru_cache(maxsize=_CACHED)  # many mailboxes have the same schedule
def _build_schedule(own: tuple[Any, ...], tag_schedules: str | None, options: tuple[Any, ...]) -> Schedule:
    found: dict[str, Any] = {name: item.value for name, item in _find_values(own, tag_schedules, options).items()}
    return Schedule(
        window=parse_time_range(found["sending_window"]),
        weekdays=frozenset(DAY_NAMES.index(day) for day in found["sending_days"].split(",")),
        holidays=tuple(parse_holidays(found["holidays"])),
        days_off=parse_days_off(found["days_off"]),
        ramp=Ramp(
            kind=RampKind(found["ramp"]),
            start=found["ramp_start"],
            step=found["ramp_step"],
            cap=found["ramp_cap"],
            maintenance=found["maintenance_percent"],
        ),
        open_rate=found["open_rate"],
        reply_rate=found["reply_rate"],
        rescue_rate=found["rescue_rate"],
        important_rate=found["important_rate"],
        star_rate=found["star_rate"],
        language=found["language"] or None,
    )


def _find_values(own: tuple[Any, ...], tag_schedules: str | None, options: tuple[Any, ...]) -> dict[str, ScheduleValue]:
    """Return the most specific value of each name: later ones replace earlier ones."""
    found = {
        name: ScheduleValue(value=value, origin=ScheduleOrigin.GLOBAL)
        for name, value in zip(SCHEDULE_NAMES, options, strict=True)
    }
    for tag, values in reversed(read_tag_schedules(tag_schedules)):
        for name, value in values.set_values.items():
            found[name] = ScheduleValue(value=value, origin=ScheduleOrigin.TAG, tag=tag)
    for name, value in read_own_values(own).set_values.items():
        found[name] = ScheduleValue(value=value, origin=ScheduleOrigin.MAILBOX)
    return found


def count_languages(connection: sa.Connection, settings: Settings) -> dict[str | None, int]:
    """Return the number of mailboxes by the language of the threads that they start."""
    query = (
        sa.select(*OWN_VALUES, ALL_TAG_SCHEDULES.c.tag_schedules, sa.func.count().label("mailboxes"))
        .outerjoin(ALL_TAG_SCHEDULES, ALL_TAG_SCHEDULES.c.mailbox_id == Mailbox.id)
        .group_by(*OWN_VALUES, ALL_TAG_SCHEDULES.c.tag_schedules)
    )
    counts: Counter[str | None] = Counter()
    found = convert_rows(
        connection.execute(query),
        lambda row: (resolve_schedule(row, settings).language, row.mailboxes),
        table=Mailbox.__tablename__,
    )
    for language, mailboxes in sorted(found, key=lambda item: item[0] or ""):
        counts[language] += mailboxes
    return counts
