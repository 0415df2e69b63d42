"""How many mails a mailbox sends on a day of its warmup."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.settings import Settings

# The first system's phases: first day, per cent of the target, floor in mails a day.
PHASES = ((1, 10, 5), (8, 25, 10), (15, 50, 15), (22, 75, 20), (29, 100, 0))


class RampKind(StrEnum):
    """How the volume grows."""

    LINEAR = "linear"
    """By the same number of mails on every day with a mail."""
    PHASES = "phases"
    """In five phases of the target."""


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """The way up to the target, and what is kept up afterwards.

    Attributes:
        start: mails on the first day; with ``step`` and ``cap`` of the linear ramp alone.
        step: mails more a day, and fewer a day on the way down to the maintenance.
        cap: mails a day at most.
        maintenance: per cent of the level reached that is kept up after the ramp; 100 stays at that level.
    """

    kind: RampKind = RampKind.LINEAR
    start: int = 5
    step: int = 2
    cap: int = 40
    maintenance: int = 100

    @classmethod
    def from_settings(cls, settings: Settings) -> Ramp:
        """Return the ramp that the settings choose."""
        return cls(
            kind=RampKind(settings.ramp),
            start=settings.ramp_start,
            step=settings.ramp_step,
            cap=settings.ramp_cap,
            maintenance=settings.maintenance_percent,
        )

    def compute_volume(self, *, warmup_day: int, daily_target: int) -> int:
        """Return the mails of a day; `warmup_day` is 1 plus the earlier days with at least one mail sent.

        Nothing about it is a jump: the ramp ends on its level, and the maintenance is reached by steps.

        Raises:
            InvalidInputError: if `warmup_day` is below 1.
        """
        climbed = self._compute_ramp_volume(warmup_day, daily_target)
        after = warmup_day - self.count_ramp_days(daily_target)
        if after <= 0 or self.maintenance >= 100:
            return climbed
        kept = max(1, climbed * self.maintenance // 100)
        return min(climbed, max(kept, climbed - after * max(1, self.step)))

    def compute_final_volume(self, daily_target: int) -> int:
        """Return the mails a day at the end of the ramp."""
        return self._compute_ramp_volume(self.count_ramp_days(daily_target), daily_target)

    def count_ramp_days(self, daily_target: int) -> int:
        """Return the first warmup day on the level at the end of the ramp."""
        if self.kind is RampKind.PHASES:
            top = compute_phase_volume(warmup_day=PHASES[-1][0], daily_target=daily_target)
            return next(
                day for day, *_ in PHASES if compute_phase_volume(warmup_day=day, daily_target=daily_target) == top
            )
        rise = min(self.cap, daily_target) - self.start
        return 1 - (-rise // self.step) if self.step and rise > 0 else 1

    def describe_phase(self, *, warmup_day: int, daily_target: int) -> str:
        """Return where on its way a mailbox is, in words."""
        if warmup_day > self.count_ramp_days(daily_target):
            return "maintenance"
        if self.kind is RampKind.PHASES:
            return f"phase {sum(warmup_day >= first for first, *_ in PHASES)} of {len(PHASES)}"
        return f"ramp, day {warmup_day} of {self.count_ramp_days(daily_target)}"

    def progress_percent(self, *, warmup_day: int, daily_target: int) -> int:
        """Return how much of its level a mailbox has reached, in per cent."""
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

    It grows by `step` a day and stays at the lower of `cap` and `daily_target`, so that the ramp ends on a level and
    not in a jump. `warmup_day` is 1 plus the number of earlier days on which at least one mail was sent.

    Raises:
        InvalidInputError: if `warmup_day` is below 1.
    """
    _check_warmup_day(warmup_day)
    return max(0, min(start + (warmup_day - 1) * step, cap, daily_target))


def compute_phase_volume(*, warmup_day: int, daily_target: int) -> int:
    """Return the mails of a day on the ramp of five phases: a share of the target, rounded down, with a floor.

    The floor is never above the target itself.

    Raises:
        InvalidInputError: if `warmup_day` is below 1.
    """
    _check_warmup_day(warmup_day)
    percent, floor = next((percent, floor) for first, percent, floor in reversed(PHASES) if warmup_day >= first)
    return max(0, min(max(daily_target * percent // 100, floor), daily_target))


def _check_warmup_day(warmup_day: int) -> None:
    if warmup_day < 1:
        raise InvalidInputError(f"warmup_day is {warmup_day}; it counts from 1, the first day of the warmup.")
