"""When and whether a recipient opens, marks, rescues and answers a warmup mail; the draws come from a seed alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

MORNING_SPREAD = timedelta(minutes=90)
"""Over how long what a night held back is spread."""


def delay_until_read(seed: str) -> timedelta:
    """Return how long after its arrival a mail is opened: 30 seconds to 10 minutes, Beta(2, 5), mostly early."""
    return _interpolate_delay(timedelta(seconds=30), timedelta(minutes=10), _sample_beta(f"read:{seed}", 2, 5))


def delay_until_mark(seed: str) -> timedelta:
    """Return how long after its opening a mail is marked: 45 to 100 seconds."""
    return _interpolate_delay(timedelta(seconds=45), timedelta(seconds=100), _create_random(f"mark:{seed}").random())


def delay_until_reply(seed: str) -> timedelta:
    """Return how long after its opening a mail is answered: 5 to 30 minutes, Beta(2, 3)."""
    return _interpolate_delay(timedelta(minutes=5), timedelta(minutes=30), _sample_beta(f"reply:{seed}", 2, 3))


def is_marked_important(seed: str, *, rate: int) -> bool:
    """Tell whether an opened mail is marked important, at `rate` per cent of them."""
    return _is_selected("important", seed, rate)


def is_starred(seed: str, *, rate: int) -> bool:
    """Tell whether an opened mail gets a star, at `rate` per cent of them."""
    return _is_selected("star", seed, rate)


def is_rescued(seed: str, *, rate: int) -> bool:
    """Tell whether a mail found in spam is moved to the inbox, at `rate` per cent of them."""
    return _is_selected("rescue", seed, rate)


def continues_thread(seed: str, *, rate: int) -> bool:
    """Tell whether an answer is answered in turn, at `rate` per cent of them."""
    return _is_selected("turn", seed, rate)


def is_next_selected(*, rate: int, done: int, total: int) -> bool:
    """Tell whether the mail after `total` earlier ones, of which `done` were chosen, is chosen as well.

    Error diffusion: what was chosen stays within half a mail of `rate` per cent of all, instead of straying as dice
    do. Count decisions, not finished deeds, or mails in flight are made up for twice.
    """
    return 2 * (rate * (total + 1) - 100 * done) >= 100


def shift_out_of_night(when: datetime, *, zone: ZoneInfo, night: tuple[time, time] | None, seed: str) -> datetime:
    """Return a time as it is by day; one in the night is put off to the morning, spread over an hour and a half.

    Args:
        when: aware.
        zone: where the person lives.
        night: begin and end on that person's clock; None if nights do not count.
    """
    if night is None:
        return when
    begin, end = night
    local = when.astimezone(zone)
    if not _is_within(local.time(), begin, end):
        return when
    late = begin > end and local.time() >= begin
    day = local.date() + timedelta(days=1) if late else local.date()
    morning = datetime.combine(day, end, zone).astimezone(UTC)  # sums are right in UTC alone
    return max(when, morning + MORNING_SPREAD * _create_random(f"morning:{seed}").random())


def _is_within(clock: time, begin: time, end: time) -> bool:
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def _is_selected(name: str, seed: str, rate: int) -> bool:
    return _create_random(f"{name}:{seed}").random() * 100 < rate


def _create_random(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311  # a habit to imitate, not a secret


def _sample_beta(seed: str, alpha: int, beta: int) -> float:
    """Draw from a Beta distribution of whole parameters: the alpha-th smallest of alpha + beta - 1 even draws.

    Unlike betavariate() it rests on random() alone, the one sequence that Python promises to keep.
    """
    rng = _create_random(seed)
    return sorted(rng.random() for _ in range(alpha + beta - 1))[alpha - 1]


def _interpolate_delay(low: timedelta, high: timedelta, share: float) -> timedelta:
    return low + (high - low) * share
