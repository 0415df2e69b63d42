"""Health bands as pure functions: the judgement of a sample, the next status, and the allowed volume."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.core.enums import LIMITED_BANDS
from gmail_warmup.core.enums import HealthBand as Band
from gmail_warmup.warmup.health.bands import (
    MIN_SAMPLE_SIZE,
    PAUSE_DAYS,
    REQUALIFY_DAILY_VOLUME,
    HealthSample,
    HealthStatus,
    classify_sample,
    compute_allowed_volume,
    compute_next_status,
    compute_score,
)
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS

NOW, TODAY = datetime(2026, 11, 25, 10, tzinfo=UTC), date(2026, 11, 25)
DAY = timedelta(days=1)
GOOD = HealthSample(placed=40, spam=1)


def spam(percent: int) -> HealthSample:
    return HealthSample(placed=100, spam=percent)


@pytest.mark.parametrize(
    ("sample", "band"),
    [
        (HealthSample(placed=19, spam=19), None),
        (HealthSample(placed=0, missing=50), None),
        (HealthSample(placed=20), Band.HEALTHY),
        (HealthSample(placed=100, spam=9, missing=80), Band.HEALTHY),
        (spam(10), Band.WATCH),
        (spam(15), Band.THROTTLED),
        (spam(20), Band.PAUSED),
        (spam(39), Band.PAUSED),
        (spam(40), Band.BLOCKED),
        (HealthSample(placed=20, spam=5), Band.WATCH),  # five of twenty may be chance
        (HealthSample(placed=20, spam=6), Band.PAUSED),
        (HealthSample(placed=40, spam=6), Band.THROTTLED),
        (HealthSample(placed=20, spam=8), Band.BLOCKED),
        (HealthSample(placed=20, bounced=1), Band.WATCH),  # one is chance
        (HealthSample(placed=98, bounced=2), Band.WATCH),
        (HealthSample(placed=97, bounced=3), Band.THROTTLED),
        (HealthSample(placed=95, bounced=5), Band.PAUSED),
        (HealthSample(placed=90, bounced=10), Band.BLOCKED),
        (HealthSample(placed=0, bounced=20), Band.BLOCKED),
        (HealthSample(placed=20, bounced=1, rejected=1), Band.WATCH),
        (HealthSample(placed=97, bounced=3, rejected=3), Band.THROTTLED),
        (HealthSample(placed=95, bounced=5, rejected=5), Band.PAUSED),
        (HealthSample(placed=90, bounced=10, rejected=10), Band.BLOCKED),
        (HealthSample(placed=90, bounced=10, rejected=5), Band.PAUSED),  # each is judged separately
        (HealthSample(placed=97, spam=20, bounced=3), Band.PAUSED),
        (HealthSample(placed=90, spam=10, bounced=10), Band.BLOCKED),
    ],
)
def test_a_sample_is_judged_by_the_thresholds(sample: HealthSample, band: Band | None) -> None:
    judged = classify_sample(sample)
    assert (judged and judged[0]) == band
    if judged and judged[0] is not Band.HEALTHY:
        assert judged[1] in WARMUP_REASONS


def after(standing: HealthStatus, sample: HealthSample, **changes: Any) -> HealthStatus:
    return compute_next_status(standing, sample, **({"now": NOW, "today": TODAY} | changes))


def throttled(days: float, reason: str = "spam_much") -> HealthStatus:
    return HealthStatus(band=Band.THROTTLED, reason=reason, since=NOW - days * DAY)


RESTING = HealthStatus(band=Band.PAUSED, reason="spam_too_much", since=NOW, window_start=TODAY + DAY)
PROBING = replace(RESTING, window_start=TODAY)


@pytest.mark.parametrize(
    ("standing", "sample", "band", "reason"),
    [
        (HealthStatus(), GOOD, Band.HEALTHY, None),
        (HealthStatus(), spam(12), Band.WATCH, "spam_some"),
        (HealthStatus(), spam(16), Band.THROTTLED, "spam_much"),
        (HealthStatus(), spam(25), Band.THROTTLED, "spam_too_much"),
        (HealthStatus(), spam(45), Band.BLOCKED, "spam_mostly"),
        (HealthStatus(band=Band.WATCH, reason="spam_some"), GOOD, Band.HEALTHY, "recovered"),
        (throttled(0.9), spam(25), Band.THROTTLED, "spam_much"),
        (throttled(1.0), spam(25), Band.PAUSED, "spam_too_much"),
        (throttled(9), spam(12), Band.THROTTLED, "spam_much"),  # it wavers
        (throttled(9), GOOD, Band.HEALTHY, "recovered"),
        (throttled(9), HealthSample(placed=10), Band.THROTTLED, "spam_much"),
        (RESTING, GOOD, Band.PAUSED, "spam_too_much"),
        (PROBING, HealthSample(placed=19), Band.PAUSED, "spam_too_much"),
        (PROBING, GOOD, Band.THROTTLED, "requalified"),
        (PROBING, spam(12), Band.THROTTLED, "requalified"),
        (PROBING, spam(15), Band.PAUSED, "spam_much"),
        (throttled(3, "requalified"), GOOD, Band.THROTTLED, "requalified"),
        (throttled(4, "requalified"), GOOD, Band.HEALTHY, "recovered"),
        (throttled(2, "requalified"), spam(25), Band.PAUSED, "spam_too_much"),
        (HealthStatus(band=Band.BLOCKED, reason="spam_mostly"), GOOD, Band.BLOCKED, "spam_mostly"),
    ],
)
def test_a_standing_follows(standing: HealthStatus, sample: HealthSample, band: Band, reason: str | None) -> None:
    following = after(standing, sample)
    assert (following.band, following.reason) == (band, reason)
    assert following.since == (standing.since if following == standing else NOW)
    assert (following == standing) is (following is standing)


def test_a_pause_rests_and_then_counts_only_what_is_sent_after_it() -> None:
    paused = after(throttled(1), spam(25))
    assert paused.window_start == TODAY + PAUSE_DAYS * DAY
    for ahead in range(PAUSE_DAYS):
        assert paused.is_resting(TODAY + ahead * DAY)
    assert paused.is_requalifying(TODAY + PAUSE_DAYS * DAY)
    again = after(PROBING, spam(30))
    assert again.is_resting(TODAY)
    assert again.window_start == TODAY + PAUSE_DAYS * DAY


@pytest.mark.parametrize(
    ("standing", "volume", "allowed", "reason"),
    [
        (HealthStatus(), 40, 40, None),
        (HealthStatus(band=Band.WATCH, reason="spam_some"), 40, 40, None),
        (throttled(1.9), 40, 28, "spam_much"),
        (throttled(2), 40, 20, "spam_much"),
        (throttled(2), 1, 1, "spam_much"),
        (throttled(1, "requalified"), 40, 20, "requalified"),
        (throttled(3, "requalified"), 40, 28, "requalified"),
        (RESTING, 40, 0, "spam_too_much"),
        (PROBING, 40, REQUALIFY_DAILY_VOLUME, "requalifying"),
        (PROBING, 3, 3, "requalifying"),
        (HealthStatus(band=Band.BLOCKED, reason="bounces_mostly"), 40, 0, "bounces_mostly"),
    ],
)
def test_a_standing_allows(standing: HealthStatus, volume: int, allowed: int, reason: str | None) -> None:
    assert compute_allowed_volume(standing, volume, now=NOW, today=TODAY) == (allowed, reason)
    assert reason is None or reason in WARMUP_REASONS


samples = st.builds(
    lambda placed, spam, bounced, missing: HealthSample(
        placed=placed, spam=min(spam, placed), bounced=bounced, missing=missing
    ),
    *[st.integers(0, 100)] * 4,
)


@given(st.lists(samples, max_size=30))
def test_no_way_leads_out_of_blocked_and_every_other_band_sends_less_or_all(seen: list[HealthSample]) -> None:
    standing, now = HealthStatus(), NOW
    for sample in seen:
        following = compute_next_status(standing, sample, now=now, today=now.date())
        if standing.band is Band.BLOCKED:
            assert following is standing
        if following.band in LIMITED_BANDS:
            assert compute_allowed_volume(following, 40, now=now, today=now.date())[0] < 40
        else:
            assert compute_allowed_volume(following, 40, now=now, today=now.date()) == (40, None)
        standing, now = following, now + DAY / 2


@pytest.mark.parametrize(
    ("sample", "points"),
    [
        (HealthSample(placed=MIN_SAMPLE_SIZE - 1), None),
        (HealthSample(placed=20), 100),
        (spam(10), 75),
        (spam(20), 50),
        (spam(40), 0),
        (spam(100), 0),
        (HealthSample(placed=95, bounced=5), 75),
        (HealthSample(placed=95, bounced=5, rejected=3), 75),
        (HealthSample(placed=90, missing=10), 90),
    ],
)
def test_the_score_is_dominated_by_spam(sample: HealthSample, points: int | None) -> None:
    assert compute_score(sample) == points
