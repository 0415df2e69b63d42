"""Decide whether and when a recipient opens, marks, rescues and answers a warmup mail, from a seed alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

MORNING_SPREAD = timedelta(minutes=90)
"""The time in the morning over which the actions postponed at night are spread."""


def delay_until_read(seed: str) -> timedelta:
    """Return the time from placement to opening: 30 seconds to 10 minutes, Beta(2, 5), mostly short."""
    return _interpolate_delay(timedelta(seconds=30), timedelta(minutes=10), _sample_beta(f"read:{seed}", 2, 5))


def delay_until_mark(seed: str) -> timedelta:
    """Return the time from opening to marking: 45 to 100 seconds."""
    return _interpolate_delay(timedelta(seconds=45), timedelta(seconds=100), _create_random(f"mark:{seed}").random())


def delay_until_reply(seed: str) -> timedelta:
    """Return the time from opening to the reply: 5 to 30 minutes, Beta(2, 3)."""
    return _interpolate_delay(timedelta(minutes=5), timedelta(minutes=30), _sample_beta(f"reply:{seed}", 2, 3))


def is_marked_important(seed: str, *, rate: int) -> bool:
    """Return whether an opened mail is marked important, for `rate` per cent of the seeds."""
    return _is_selected("important", seed, rate)


def is_starred(seed: str, *, rate: int) -> bool:
    """Return whether an opened mail gets a star, for `rate` per cent of the seeds."""
    return _is_selected("star", seed, rate)


def is_rescued(seed: str, *, rate: int) -> bool:
    """Return whether a mail found in spam is moved to the inbox, for `rate` per cent of the seeds."""
    return _is_selected("rescue", seed, rate)


def continues_thread(seed: str, *, rate: int) -> bool:
    """Return whether a reply is answered again, for `rate` per cent of the seeds."""
    return _is_selected("turn", seed, rate)


def is_next_selected(*, rate: int, done: int, total: int) -> bool:
    """Return whether the next mail is selected, after `total` earlier mails of which `done` were selected.

    Error diffusion: the number of selected mails stays within half a mail of `rate` per cent, with no random error.
    Count decisions, not completed actions; otherwise mails in progress are compensated twice.
    """
    return 2 * (rate * (total + 1) - 100 * done) >= 100


def shift_out_of_night(when: datetime, *, zone: ZoneInfo, night: tuple[time, time] | None, seed: str) -> datetime:
    """Return a time that is not at night: one at night is postponed to the morning, spread over ``MORNING_SPREAD``.

    Args:
        when: the time (aware).
        zone: the time zone of the mailbox.
        night: begin and end of the night in local time; None if there is no night pause.
    """
    if night is None:
        return when
    begin, end = night
    local = when.astimezone(zone)
    if not _is_within(local.time(), begin, end):
        return when
    is_before_midnight = begin > end and local.time() >= begin
    day = local.date() + timedelta(days=1) if is_before_midnight else local.date()
    morning = datetime.combine(day, end, zone).astimezone(UTC)  # local times cannot be added across a clock change
    return max(when, morning + MORNING_SPREAD * _create_random(f"morning:{seed}").random())


def _is_within(clock: time, begin: time, end: time) -> bool:
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def _is_selected(name: str, seed: str, rate: int) -> bool:
    return _create_random(f"{name}:{seed}").random() * 100 < rate


def _create_random(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311  # variety, not a secret


def _sample_beta(seed: str, alpha: int, beta: int) -> float:
    """Draw from a Beta distribution with integer parameters: the alpha-th smallest of alpha + beta - 1 uniform draws.

    Unlike betavariate(), it uses random() only, whose sequence Python guarantees across versions.
    """
    rng = _create_random(seed)
    return sorted(rng.random() for _ in range(alpha + beta - 1))[alpha - 1]


def _interpolate_delay(low: timedelta, high: timedelta, share: float) -> timedelta:
    return low + (high - low) * share
