"""The rules of readiness: which facts make a mailbox ready, and how the number of cold mails grows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.core.enums import ReadinessState as State
from gmail_warmup.warmup.planning.eligibility import Blocker
from gmail_warmup.warmup.readiness.rules import (
    DomainSample,
    ReadinessDay,
    ReadinessFacts,
    Verdict,
    compute_day,
    judge_readiness,
)

CAP, STEP = 30, 2
NOW, MONDAY = datetime(2027, 3, 1, 12, tzinfo=UTC), date(2027, 3, 1)
REVOKED = Blocker(code="revoked", message="Its grant is revoked.")


@pytest.mark.parametrize(
    ("facts", "state", "code", "ceiling"),
    [
        ({}, State.READY, "ready", CAP),
        ({"band": HealthBand.WATCH, "band_reason": "spam_some"}, State.READY, "watched", CAP // 2),
        ({"planned": 390, "daily_limit": 500}, State.READY, "ready", 10),
        ({"planned": 450, "daily_limit": 500}, State.READY, "ready", 0),
        ({"ramp_is_complete": False}, State.WARMING, "ramp_running", 0),
        ({"placed": 19}, State.WARMING, "sample_too_small", 0),
        ({"band": HealthBand.THROTTLED, "band_reason": "spam_much"}, State.RESTING, "spam_much", 0),
        ({"band": HealthBand.THROTTLED, "band_reason": "requalified"}, State.RESTING, "requalified", 0),
        ({"band": HealthBand.PAUSED, "band_reason": "spam_too_much", "requalifies": True}, State.RESTING,
         "requalifying", 0),
        ({"band": HealthBand.PAUSED, "blocker": Blocker(code="spam_too_much", message="It rests.")}, State.RESTING,
         "spam_too_much", 0),
        ({"band": HealthBand.BLOCKED, "blocker": Blocker(code="spam_mostly", message="It is stopped.")},
         State.NOT_READY, "spam_mostly", 0),
        ({"blocker": REVOKED}, State.NOT_READY, "revoked", 0),
        ({"blocker": Blocker(code="sending_limit", message="Limit."), "is_interrupted": True}, State.RESTING,
         "sending_limit", 0),
        ({"is_unauthenticated": True}, State.NOT_READY, "unauthenticated", 0),
        ({"is_not_working": True}, State.NOT_READY, "not_working", 0),
        ({"domain": DomainSample(placed=100, spam=10)}, State.NOT_READY, "domain_spam", 0),
        ({"domain": DomainSample(placed=100, spam=9)}, State.READY, "ready", CAP),
        ({"domain": DomainSample(placed=19, spam=3)}, State.READY, "ready", CAP),
        ({"domain": DomainSample(placed=300, spam=4, recent_placed=20, recent_spam=4)}, State.NOT_READY,
         "domain_spam", 0),
        ({"domain": DomainSample(placed=300, spam=3, recent_placed=3, recent_spam=3)}, State.READY, "ready", CAP),
        ({"blocker": REVOKED, "ramp_is_complete": False}, State.NOT_READY, "revoked", 0),
    ],
)  # fmt: skip
def test_facts_decide_state_and_number(facts: dict[str, Any], state: State, code: str, ceiling: int):
    verdict = judge_readiness(ReadinessFacts(**facts), cap=CAP)
    assert (verdict.state, verdict.reason.code, verdict.ceiling) == (state, code, ceiling)
    assert verdict.reason.message


def live(known: ReadinessDay | None, *days: tuple[Verdict, int]) -> tuple[ReadinessDay | None, list[int]]:
    """Let days pass, each with a verdict and a step; return the last day and the cold mails of all."""
    numbers = []
    first = known.local_date + timedelta(days=1) if known else MONDAY
    for ahead, (verdict, step) in enumerate(days):
        today = first + timedelta(days=ahead)
        known = compute_day(verdict, known, now=NOW + timedelta(days=ahead), today=today, step=step)
        numbers.append(known.cold_mails)
    return known, numbers


READY = judge_readiness(ReadinessFacts(), cap=CAP)
WATCHED = judge_readiness(ReadinessFacts(band=HealthBand.WATCH), cap=CAP)
FLAGGED = judge_readiness(ReadinessFacts(blocker=REVOKED), cap=CAP)
LIMITED = judge_readiness(
    ReadinessFacts(blocker=Blocker(code="sending_limit", message="Limit."), is_interrupted=True), cap=CAP
)


def test_cold_mail_grows_by_one_step_a_day_up_to_the_cap():
    _, numbers = live(None, *[(READY, STEP)] * 20)
    assert numbers == [*range(2, 31, 2), *[30] * 5]


def test_a_day_without_sending_does_not_grow():
    _, numbers = live(None, (READY, STEP), (READY, 0), (READY, 0), (READY, STEP))
    assert numbers == [2, 2, 2, 4]


def test_the_number_of_a_day_is_the_same_whenever_it_is_computed():
    known, _ = live(None, *[(READY, STEP)] * 3)
    assert known
    again = compute_day(READY, known, now=NOW + timedelta(days=30), today=known.local_date, step=STEP)
    assert again == known


def test_a_flagged_mailbox_starts_again_with_one_step():
    _, numbers = live(None, *[(READY, STEP)] * 5, (FLAGGED, STEP), (READY, STEP), (READY, STEP))
    assert numbers == [2, 4, 6, 8, 10, 0, 2, 4]


def test_a_sending_limit_interrupts_but_keeps_the_level():
    _, numbers = live(None, *[(READY, STEP)] * 5, (LIMITED, STEP), (LIMITED, STEP), (READY, STEP))
    assert numbers == [2, 4, 6, 8, 10, 0, 0, 12]


def test_an_interruption_within_a_day_does_not_grow_twice():
    known, _ = live(None, *[(READY, STEP)] * 5)
    assert known
    for verdict in (LIMITED, READY):
        known = compute_day(verdict, known, now=NOW, today=known.local_date, step=STEP)
    assert known.cold_mails == 10


def test_a_lower_maximum_takes_effect_at_once_and_is_left_in_steps():
    _, numbers = live(None, *[(READY, 10)] * 3, (WATCHED, STEP), (READY, STEP))
    assert numbers == [10, 20, 30, 15, 17]


def test_since_is_when_the_state_began():
    known, _ = live(None, (READY, STEP), (WATCHED, STEP))
    assert known
    assert known.since == NOW, "the state is the same, its reason is another"
    known, _ = live(known, (FLAGGED, STEP))
    assert known
    assert (known.state, known.since) == (State.NOT_READY, NOW)
