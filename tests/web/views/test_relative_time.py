"""Relative times in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gmail_warmup.web.views.relative_time import format_time_ago, format_time_left

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (timedelta(seconds=-5), "just now"),  # the clock of the database runs ahead
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(minutes=60), "1 hour ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=400), "400 days ago"),
    ],
)
def test_a_past_time(past: timedelta, expected: str):
    assert format_time_ago(NOW - past, NOW) == expected


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(0), "expired"),
        (timedelta(days=-2), "expired"),
        (timedelta(seconds=30), "in under a minute"),
        (timedelta(minutes=2), "in 2 minutes"),
        (timedelta(hours=1), "in 1 hour"),
        (timedelta(days=2, hours=1), "in 2 days"),
    ],
)
def test_a_remaining_time(left: timedelta, expected: str):
    assert format_time_left(left) == expected
