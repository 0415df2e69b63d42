"""How many mails a mailbox sends on a day of its warmup."""

from __future__ import annotations

from gmail_warmup.errors import InvalidInputError

# The first system's phases: first day, per cent of the target, floor in mails a day.
PHASES = ((1, 10, 5), (8, 25, 10), (15, 50, 15), (22, 75, 20), (29, 100, 0))


def volume(*, warmup_day: int, daily_target: int, start: int, step: int, cap: int) -> int:
    """Return the mails of a day on the linear ramp.

    It grows by `step` a day and stays at the lower of `cap` and `daily_target`, so that the ramp ends on a level and
    not in a jump. `warmup_day` is 1 plus the number of earlier days on which at least one mail was sent.

    Raises:
        InvalidInputError: if `warmup_day` is below 1.
    """
    _check_day(warmup_day)
    return max(0, min(start + (warmup_day - 1) * step, cap, daily_target))


def phase_volume(*, warmup_day: int, daily_target: int) -> int:
    """Return the mails of a day on the ramp of five phases: a share of the target, rounded down, with a floor.

    The floor is never above the target itself.

    Raises:
        InvalidInputError: if `warmup_day` is below 1.
    """
    _check_day(warmup_day)
    percent, floor = next((percent, floor) for first, percent, floor in reversed(PHASES) if warmup_day >= first)
    return max(0, min(max(daily_target * percent // 100, floor), daily_target))


def _check_day(warmup_day: int) -> None:
    if warmup_day < 1:
        raise InvalidInputError(f"warmup_day is {warmup_day}; it counts from 1, the first day of the warmup.")
