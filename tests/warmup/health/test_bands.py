"""Health as a pure rule: what a sample says, how a standing follows, and how much it allows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.core.enums import ILL
from gmail_warmup.core.enums import HealthBand as Band
from gmail_warmup.warmup.health.bands import (
    FLOOR,
    REST,
    SAMPLE_A_DAY,
    Sample,
    Standing,
    allowance,
    grade,
    judge,
    legacy_score,
    next_standing,
    score,
)
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS

NOW, TODAY = datetime(2026, 11, 25, 10, tzinfo=UTC), date(2026, 11, 25)
DAY = timedelta(days=1)
GOOD = Sample(placed=40, spam=1)


def spam(percent: int) -> Sample:
    return Sample(placed=100, spam=percent)


@pytest.mark.parametrize(
    ("sample", "band"),
    [
        (Sample(placed=19, spam=19), None),
        (Sample(placed=0, missing=50), None),
        (Sample(placed=20), Band.HEALTHY),
        (Sample(placed=100, spam=9, missing=80), Band.HEALTHY),
        (spam(10), Band.WATCH),
        (spam(15), Band.THROTTLED),
        (spam(20), Band.PAUSED),
        (spam(39), Band.PAUSED),
        (spam(40), Band.BLOCKED),
        (Sample(placed=20, spam=5), Band.WATCH),  # five of twenty may be chance
        (Sample(placed=20, spam=6), Band.PAUSED),
        (Sample(placed=40, spam=6), Band.THROTTLED),
        (Sample(placed=20, spam=8), Band.BLOCKED),
        (Sample(placed=20, bounced=1), Band.WATCH),  # one is chance
        (Sample(placed=98, bounced=2), Band.WATCH),
        (Sample(placed=97, bounced=3), Band.THROTTLED),
        (Sample(placed=95, bounced=5), Band.PAUSED),
        (Sample(placed=90, bounced=10), Band.BLOCKED),
        (Sample(placed=0, bounced=20), Band.BLOCKED),
        (Sample(placed=97, spam=20, bounced=3), Band.PAUSED),
        (Sample(placed=90, spam=10, bounced=10), Band.BLOCKED),
    ],
)
def test_a_sample_is_judged_by_the_thresholds(sample: Sample, band: Band | None) -> None:
    judged = judge(sample)
    assert (judged and judged[0]) == band
    if judged and judged[0] is not Band.HEALTHY:
        assert judged[1] in WARMUP_REASONS


def after(standing: Standing, sample: Sample, **changes: Any) -> Standing:
    return next_standing(standing, sample, **({"now": NOW, "today": TODAY} | changes))


def throttled(days: float, reason: str = "spam_much") -> Standing:
    return Standing(band=Band.THROTTLED, reason=reason, since=NOW - days * DAY)


RESTING = Standing(band=Band.PAUSED, reason="spam_too_much", since=NOW, sample_from=TODAY + DAY)
PROBING = replace(RESTING, sample_from=TODAY)


@pytest.mark.parametrize(
    ("standing", "sample", "band", "reason"),
    [
        (Standing(), GOOD, Band.HEALTHY, None),
        (Standing(), spam(12), Band.WATCH, "spam_some"),
        (Standing(), spam(16), Band.THROTTLED, "spam_much"),
        (Standing(), spam(25), Band.THROTTLED, "spam_too_much"),
        (Standing(), spam(45), Band.BLOCKED, "spam_mostly"),
        (Standing(band=Band.WATCH, reason="spam_some"), GOOD, Band.HEALTHY, "recovered"),
        (throttled(0.9), spam(25), Band.THROTTLED, "spam_much"),
        (throttled(1.0), spam(25), Band.PAUSED, "spam_too_much"),
        (throttled(9), spam(12), Band.THROTTLED, "spam_much"),  # it wavers
        (throttled(9), GOOD, Band.HEALTHY, "recovered"),
        (throttled(9), Sample(placed=10), Band.THROTTLED, "spam_much"),
        (RESTING, GOOD, Band.PAUSED, "spam_too_much"),
        (PROBING, Sample(placed=19), Band.PAUSED, "spam_too_much"),
        (PROBING, GOOD, Band.THROTTLED, "requalified"),
        (PROBING, spam(12), Band.THROTTLED, "requalified"),
        (PROBING, spam(15), Band.PAUSED, "spam_much"),
        (throttled(3, "requalified"), GOOD, Band.THROTTLED, "requalified"),
        (throttled(4, "requalified"), GOOD, Band.HEALTHY, "recovered"),
        (throttled(2, "requalified"), spam(25), Band.PAUSED, "spam_too_much"),
        (Standing(band=Band.BLOCKED, reason="spam_mostly"), GOOD, Band.BLOCKED, "spam_mostly"),
    ],
)
def test_a_standing_follows(standing: Standing, sample: Sample, band: Band, reason: str | None) -> None:
    following = after(standing, sample)
    assert (following.band, following.reason) == (band, reason)
    assert following.since == (standing.since if following == standing else NOW)
    assert (following == standing) is (following is standing)


def test_a_pause_rests_and_then_counts_only_what_is_sent_after_it() -> None:
    paused = after(throttled(1), spam(25))
    assert paused.sample_from == TODAY + REST * DAY
    for ahead in range(REST):
        assert paused.rests(TODAY + ahead * DAY)
    assert paused.requalifies(TODAY + REST * DAY)
    again = after(PROBING, spam(30))
    assert again.rests(TODAY)
    assert again.sample_from == TODAY + REST * DAY


@pytest.mark.parametrize(
    ("standing", "volume", "allowed", "reason"),
    [
        (Standing(), 40, 40, None),
        (Standing(band=Band.WATCH, reason="spam_some"), 40, 40, None),
        (throttled(1.9), 40, 28, "spam_much"),
        (throttled(2), 40, 20, "spam_much"),
        (throttled(2), 1, 1, "spam_much"),
        (throttled(1, "requalified"), 40, 20, "requalified"),
        (throttled(3, "requalified"), 40, 28, "requalified"),
        (RESTING, 40, 0, "spam_too_much"),
        (PROBING, 40, SAMPLE_A_DAY, "requalifying"),
        (PROBING, 3, 3, "requalifying"),
        (Standing(band=Band.BLOCKED, reason="bounces_mostly"), 40, 0, "bounces_mostly"),
    ],
)
def test_a_standing_allows(standing: Standing, volume: int, allowed: int, reason: str | None) -> None:
    assert allowance(standing, volume, now=NOW, today=TODAY) == (allowed, reason)
    assert reason is None or reason in WARMUP_REASONS


samples = st.builds(
    lambda placed, spam, bounced, missing: Sample(
        placed=placed, spam=min(spam, placed), bounced=bounced, missing=missing
    ),
    *[st.integers(0, 100)] * 4,
)


@given(st.lists(samples, max_size=30))
def test_no_way_leads_out_of_blocked_and_every_other_band_sends_less_or_all(seen: list[Sample]) -> None:
    standing, now = Standing(), NOW
    for sample in seen:
        following = next_standing(standing, sample, now=now, today=now.date())
        if standing.band is Band.BLOCKED:
            assert following is standing
        if following.band in ILL:
            assert allowance(following, 40, now=now, today=now.date())[0] < 40
        else:
            assert allowance(following, 40, now=now, today=now.date()) == (40, None)
        standing, now = following, now + DAY / 2


@pytest.mark.parametrize(
    ("sample", "points"),
    [
        (Sample(placed=FLOOR - 1), None),
        (Sample(placed=20), 100),
        (spam(10), 75),
        (spam(20), 50),
        (spam(40), 0),
        (spam(100), 0),
        (Sample(placed=95, bounced=5), 75),
        (Sample(placed=90, missing=10), 90),
    ],
)
def test_the_score_is_dominated_by_spam(sample: Sample, points: int | None) -> None:
    assert score(sample) == points


def test_the_legacy_score_keeps_its_defect_for_comparison() -> None:
    points = legacy_score(open_percent=80, reply_percent=55, progress=100, spam_percent=100)
    assert (points, grade(points)) == (90, "A+")
    assert legacy_score(open_percent=0, reply_percent=0, progress=0, spam_percent=100) == 0
    assert [grade(points) for points in (100, 89, 79, 69, 59, 49)] == ["A+", "A", "B", "C", "D", "F"]
