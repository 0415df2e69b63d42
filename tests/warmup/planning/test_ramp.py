"""The ramps, with exact values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.planning.ramp import Ramp, RampKind, compute_linear_volume, compute_phase_volume
from gmail_warmup.warmup.planning.schedules import Schedule


@pytest.mark.parametrize(
    ("warmup_day", "daily_target", "mails"),
    [
        (1, 50, 5),
        (2, 50, 7),
        (10, 50, 23),
        (18, 50, 39),
        (19, 50, 40),
        (400, 50, 40),
        (1, 3, 3),
        (4, 10, 10),
        (3, 0, 0),
    ],
)
def test_linear_ramp(warmup_day: int, daily_target: int, mails: int) -> None:
    assert compute_linear_volume(warmup_day=warmup_day, daily_target=daily_target, start=5, step=2, cap=40) == mails


def test_linear_ramp_without_steps_stays() -> None:
    assert compute_linear_volume(warmup_day=30, daily_target=50, start=8, step=0, cap=40) == 8


@pytest.mark.parametrize(
    ("daily_target", "mails"),
    [
        (50, {1: 5, 7: 5, 8: 12, 14: 12, 15: 25, 21: 25, 22: 37, 28: 37, 29: 50, 300: 50}),
        (200, {1: 20, 8: 50, 15: 100, 22: 150, 29: 200}),
        (30, {1: 5, 8: 10, 15: 15, 22: 22, 29: 30}),
        (24, {1: 5, 8: 10, 15: 15, 22: 20, 29: 24}),
        (12, {1: 5, 8: 10, 15: 12, 22: 12, 29: 12}),
        (3, {1: 3, 8: 3, 15: 3, 22: 3, 29: 3}),
    ],
)
def test_ramp_of_phases(daily_target: int, mails: dict[int, int]) -> None:
    assert {day: compute_phase_volume(warmup_day=day, daily_target=daily_target) for day in mails} == mails


@given(st.integers(1, 60), st.integers(1, 2000))
def test_no_ramp_falls_or_passes_its_target(warmup_day: int, daily_target: int) -> None:
    def both(day: int) -> tuple[int, int]:
        linear = compute_linear_volume(warmup_day=day, daily_target=daily_target, start=5, step=2, cap=40)
        return linear, compute_phase_volume(warmup_day=day, daily_target=daily_target)

    for today, tomorrow in zip(both(warmup_day), both(warmup_day + 1), strict=True):
        assert 1 <= today <= tomorrow <= daily_target


def test_days_count_from_one() -> None:
    with pytest.raises(InvalidInputError, match="first day of the warmup is 1"):
        compute_linear_volume(warmup_day=0, daily_target=50, start=5, step=2, cap=40)
    with pytest.raises(InvalidInputError, match="first day of the warmup is 1"):
        compute_phase_volume(warmup_day=0, daily_target=50)


LINEAR, PHASES = RampKind.LINEAR, RampKind.PHASES


@pytest.mark.parametrize(
    ("kind", "daily_target", "length", "level"),
    [(LINEAR, 50, 19, 40), (LINEAR, 30, 14, 30), (LINEAR, 3, 1, 3), (PHASES, 50, 29, 50), (PHASES, 3, 1, 3),
     (PHASES, 12, 15, 12)],
)  # fmt: skip
def test_a_ramp_knows_where_it_ends(kind: RampKind, daily_target: int, length: int, level: int) -> None:
    ramp = Ramp(kind=kind)
    assert (ramp.count_ramp_days(daily_target), ramp.compute_final_volume(daily_target)) == (length, level)
    assert ramp.compute_volume(warmup_day=length, daily_target=daily_target) == level
    assert length == 1 or ramp.compute_volume(warmup_day=length - 1, daily_target=daily_target) < level


def test_a_ramp_without_steps_ends_on_its_first_day() -> None:
    assert Ramp(step=0).count_ramp_days(50) == 1
    assert Ramp(step=0, maintenance=40).compute_volume(warmup_day=10, daily_target=50) == 2


def test_by_default_the_level_reached_is_kept() -> None:
    ramp = Schedule.from_settings(Settings()).ramp
    assert {ramp.compute_volume(warmup_day=day, daily_target=50) for day in range(19, 400)} == {40}


def test_the_maintenance_is_reached_by_steps() -> None:
    ramp = Schedule.from_settings(Settings(maintenance_percent=80)).ramp
    assert [ramp.compute_volume(warmup_day=day, daily_target=50) for day in (18, 19, 20, 21, 22, 23, 24, 300)] == [
        39, 40, 38, 36, 34, 32, 32, 32,
    ]  # fmt: skip


@given(
    st.sampled_from(RampKind), st.integers(1, 100), st.integers(0, 9), st.integers(1, 400), st.integers(1, 300)
)  # fmt: skip
def test_the_maintenance_is_no_jump(kind: RampKind, maintenance: int, step: int, target: int, day: int) -> None:
    ramp = Ramp(kind=kind, maintenance=maintenance, step=step)
    today, tomorrow = (ramp.compute_volume(warmup_day=number, daily_target=target) for number in (day, day + 1))
    assert 1 <= tomorrow <= target
    assert today - tomorrow <= max(1, step)
    assert tomorrow >= min(today, ramp.compute_final_volume(target) * maintenance // 100)


@pytest.mark.parametrize(
    ("settings", "day", "phase", "progress"),
    [
        ({}, 1, "ramp, day 1 of 19", 12),
        ({}, 19, "ramp, day 19 of 19", 100),
        ({}, 20, "maintenance", 100),
        ({"maintenance_percent": 50}, 200, "maintenance", 100),
        ({"ramp": "phases"}, 8, "phase 2 of 5", 24),
        ({"ramp": "phases"}, 29, "phase 5 of 5", 100),
        ({"ramp": "phases"}, 30, "maintenance", 100),
    ],
)
def test_phase_and_progress(settings: dict[str, object], day: int, phase: str, progress: int) -> None:
    ramp = Schedule.from_settings(Settings.model_validate(settings)).ramp
    assert ramp.describe_phase(warmup_day=day, daily_target=50) == phase
    assert ramp.progress_percent(warmup_day=day, daily_target=50) == progress
