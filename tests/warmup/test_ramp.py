"""The ramps, as tables of exact values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.errors import InvalidInputError
from gmail_warmup.warmup.ramp import phase_volume, volume


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
    assert volume(warmup_day=warmup_day, daily_target=daily_target, start=5, step=2, cap=40) == mails


def test_linear_ramp_without_steps_stays() -> None:
    assert volume(warmup_day=30, daily_target=50, start=8, step=0, cap=40) == 8


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
    assert {day: phase_volume(warmup_day=day, daily_target=daily_target) for day in mails} == mails


@given(st.integers(1, 60), st.integers(1, 2000))
def test_no_ramp_falls_or_passes_its_target(warmup_day: int, daily_target: int) -> None:
    def both(day: int) -> tuple[int, int]:
        linear = volume(warmup_day=day, daily_target=daily_target, start=5, step=2, cap=40)
        return linear, phase_volume(warmup_day=day, daily_target=daily_target)

    for today, tomorrow in zip(both(warmup_day), both(warmup_day + 1), strict=True):
        assert 1 <= today <= tomorrow <= daily_target


def test_days_count_from_one() -> None:
    with pytest.raises(InvalidInputError, match="counts from 1"):
        volume(warmup_day=0, daily_target=50, start=5, step=2, cap=40)
    with pytest.raises(InvalidInputError, match="counts from 1"):
        phase_volume(warmup_day=0, daily_target=50)
