"""Compute the number of mails that a mailbox sends on a day of its warmup."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gmail_warmup.core.enums import DEFAULT_TARGET
from gmail_warmup.core.errors import InvalidInputError

PHASES = ((1, 10, 5), (8, 25, 10), (15, 50, 15), (22, 75, 20), (29, 100, 0))
"""The phases of the predecessor: first warmup day, per cent of the target, minimum in mails a day."""


class RampKind(StrEnum):
    """How the volume grows."""

    LINEAR = "linear"
    """By the same number of mails on each warmup day."""
    PHASES = "phases"
    """In five phases, each a percentage of the target."""


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """The growth of the daily volume up to its final level, and the volume after the ramp.

    Attributes:
        start: mails on the first day (linear ramp only).
        step: mails added per day (linear ramp only), and removed per day on the way down to the maintenance volume.
        cap: maximum number of mails per day (linear ramp only).
        maintenance: per cent of the final level that is sent after the ramp; 100 stays at that level.
    """

    kind: RampKind = RampKind.LINEAR
    start: int = 5
    step: int = 2
    cap: int = DEFAULT_TARGET
    maintenance: int = 100

    def compute_volume(self, *, warmup_day: int, daily_target: int) -> int:
        """Return the mails of a day; `warmup_day` is 1 plus the earlier days with at least one mail sent.

        The volume never jumps: the ramp ends at its final level, and the maintenance volume is reached in steps.

        Raises:
            InvalidInputError: if `warmup_day` is below 1.
        """
        volume = self._compute_ramp_volume(warmup_day, daily_target)
        days_after_ramp = warmup_day - self.count_ramp_days(daily_target)
        if days_after_ramp <= 0 or self.maintenance >= 100:
            return volume
        maintenance_volume = max(1, volume * self.maintenance // 100)
        return min(volume, max(maintenance_volume, volume - days_after_ramp * max(1, self.step)))

    def compute_final_volume(self, daily_target: int) -> int:
        """Return the mails a day at the end of the ramp."""
        return self._compute_ramp_volume(self.count_ramp_days(daily_target), daily_target)

    def count_ramp_days(self, daily_target: int) -> int:
        """Return the first warmup day on which the volume has its final level."""
        if self.kind is RampKind.PHASES:
            top = compute_phase_volume(warmup_day=PHASES[-1][0], daily_target=daily_target)
            return next(
                day for day, *_ in PHASES if compute_phase_volume(warmup_day=day, daily_target=daily_target) == top
            )
        rise = min(self.cap, daily_target) - self.start
        return 1 - (-rise // self.step) if self.step and rise > 0 else 1

    def describe_phase(self, *, warmup_day: int, daily_target: int) -> str:
        """Return the phase of the warmup, in words."""
        if warmup_day > self.count_ramp_days(daily_target):
            return "maintenance"
        if self.kind is RampKind.PHASES:
            return f"phase {sum(warmup_day >= first for first, *_ in PHASES)} of {len(PHASES)}"
        return f"ramp, day {warmup_day} of {self.count_ramp_days(daily_target)}"

    def progress_percent(self, *, warmup_day: int, daily_target: int) -> int:
        """Return the volume of a day in per cent of the final level."""
        level = self.compute_final_volume(daily_target)
        return 100 * self._compute_ramp_volume(warmup_day, daily_target) // level if level else 100

    def _compute_ramp_volume(self, warmup_day: int, daily_target: int) -> int:
        if self.kind is RampKind.PHASES:
            return compute_phase_volume(warmup_day=warmup_day, daily_target=daily_target)
        return compute_linear_volume(
            warmup_day=warmup_day, daily_target=daily_target, start=self.start, step=self.step, cap=self.cap
        )


def compute_linear_volume(*, warmup_day: int, daily_target: int, start: int, step: int, cap: int) -> int:
    """Return the mails of a day on the linear ramp.

    It grows by `step` a day and stays at the lower of `cap` and `daily_target`. `warmup_day` is 1 plus the number of
    earlier days with at least one mail sent.

    Raises:
        InvalidInputError: if `warmup_day` is below 1.
    """
    _check_warmup_day(warmup_day)
    return max(0, min(start + (warmup_day - 1) * step, cap, daily_target))


def compute_phase_volume(*, warmup_day: int, daily_target: int) -> int:
    """Return the mails of a day on the ramp of five phases: a share of the target, rounded down.

    Each phase has a minimum, which is never above the target itself.

    Raises:
        InvalidInputError: if `warmup_day` is below 1.
    """
    _check_warmup_day(warmup_day)
    percent, minimum = next((percent, minimum) for first, percent, minimum in reversed(PHASES) if warmup_day >= first)
    return max(0, min(max(daily_target * percent // 100, minimum), daily_target))


def _check_warmup_day(warmup_day: int) -> None:
    if warmup_day < 1:
        raise InvalidInputError(f"warmup_day is {warmup_day}; the first day of the warmup is 1.")
