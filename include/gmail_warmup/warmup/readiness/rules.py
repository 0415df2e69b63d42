"""Decide whether a mailbox may send cold mail, and how many are reasonable on a day.

A mailbox is ready after its ramp, while at least 20 of its mails of the last seven days have a known placement and
neither its own health nor the placement of its domain is bad. It then starts with one step of cold mail and adds one
step a day, so that its volume does not jump when the warmup ends. The maximum is a convention of the field
(``cold_daily_cap``); Google publishes no figure. With the warmup it stays below 80 % of Google's daily limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.core.enums import ReadinessState as State
from gmail_warmup.warmup.health.bands import MIN_SAMPLE_SIZE
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS
from gmail_warmup.warmup.planning.eligibility import Blocker
from gmail_warmup.warmup.readiness.reasons import READINESS_REASONS

RECENT_DAYS = 2
_DOMAIN_SPAM_PERCENT, _RECENT_SPAM_PERCENT = 10, 20
_MIN_RECENT_SPAM = 4
"""Fewer mails in spam may be chance: at a rate of 2 %, four of 20 mails occur in 6 of 10,000 pairs of days."""
_LIMIT_PERCENT = 80
"""Share of Google's daily limit that warmup and cold mail use together; the rest is for other mail."""


@dataclass(frozen=True, kw_only=True)
class DomainSample:
    """Known placements of the mails that the mailboxes of a domain sent in seven days, and in the last two."""

    placed: int = 0
    spam: int = 0
    recent_placed: int = 0
    recent_spam: int = 0

    @property
    def is_bad(self) -> bool:
        """Return whether so much of it is in spam that no mailbox of the domain should send cold mail."""
        if self.recent_spam >= _MIN_RECENT_SPAM and self.recent_spam * 100 >= self.recent_placed * _RECENT_SPAM_PERCENT:
            return True
        return self.placed >= MIN_SAMPLE_SIZE and self.spam * 100 >= self.placed * _DOMAIN_SPAM_PERCENT


@dataclass(frozen=True, kw_only=True)
class ReadinessFacts:
    """What is known about a warmup mailbox.

    Attributes:
        blocker: why nothing may be sent from it now.
        is_interrupted: whether the blocker is the kill switch, or a limit that ends at a known time.
        is_not_working: whether its tasks keep failing.
        requalifies: whether it sends a fresh sample after a rest.
        ramp_is_complete: whether its volume has reached its final level.
        is_unauthenticated: whether Google reported mails of its domain as not authenticated, several in a row.
        placed: its mails of the last seven days with a known placement.
        planned: warmup mails planned for today.
        daily_limit: mails that Google lets it send in 24 hours.
    """

    blocker: Blocker | None = None
    is_interrupted: bool = False
    is_not_working: bool = False
    band: HealthBand = HealthBand.HEALTHY
    band_reason: str | None = None
    requalifies: bool = False
    domain: DomainSample = DomainSample()
    is_unauthenticated: bool = False
    ramp_is_complete: bool = True
    placed: int = MIN_SAMPLE_SIZE
    planned: int = 0
    daily_limit: int = 2000


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """State and reason, and the cold mails that a day may have once the volume has grown to it.

    Attributes:
        keeps_level: whether the volume continues where it was when the state ends, instead of from one step.
    """

    state: State
    reason: Blocker
    ceiling: int = 0
    keeps_level: bool = False


def judge_readiness(facts: ReadinessFacts, *, cap: int) -> Verdict:
    """Return state, reason and maximum number of cold mails.

    Args:
        cap: maximum number of cold mails a day of the settings.
    """
    if facts.blocker:
        rests = facts.is_interrupted or facts.band is HealthBand.PAUSED
        state = State.RESTING if rests else State.NOT_READY
        return Verdict(state=state, reason=facts.blocker, keeps_level=facts.is_interrupted)
    if facts.is_not_working:
        return _make_verdict(State.NOT_READY, "not_working")
    if facts.band not in (HealthBand.HEALTHY, HealthBand.WATCH):
        return _make_verdict(State.RESTING, "requalifying" if facts.requalifies else facts.band_reason or "spam_much")
    if facts.is_unauthenticated:
        return _make_verdict(State.NOT_READY, "unauthenticated")
    if facts.domain.is_bad:
        return _make_verdict(State.NOT_READY, "domain_spam")
    if not facts.ramp_is_complete:
        return _make_verdict(State.WARMING, "ramp_running")
    if facts.placed < MIN_SAMPLE_SIZE:
        return _make_verdict(State.WARMING, "sample_too_small")
    is_watched = facts.band is HealthBand.WATCH
    left = facts.daily_limit * _LIMIT_PERCENT // 100 - facts.planned
    return _make_verdict(
        State.READY,
        "watched" if is_watched else "ready",
        ceiling=max(0, min(cap // 2 if is_watched else cap, left)),
    )


def _make_verdict(state: State, code: str, *, ceiling: int = 0) -> Verdict:
    reason = READINESS_REASONS.get(code) or WARMUP_REASONS.look_up(code, "spam_much")
    return Verdict(
        state=state,
        reason=Blocker(code=code, message=reason.message, remedy=reason.remedy),
        ceiling=ceiling,
        keeps_level=state is State.READY,
    )


@dataclass(frozen=True, kw_only=True)
class ReadinessDay:
    """The readiness of a mailbox on a local day.

    Attributes:
        since: when the mailbox entered the state.
        cold_mails: reasonable number of cold mails on this day.
        cold_mails_before: the number of an earlier day from which this one grows.
    """

    state: State
    reason: str
    since: datetime
    local_date: date
    cold_mails: int = 0
    cold_mails_before: int = 0

    def find_level(self, today: date) -> int:
        """Return the number of cold mails from which a day grows."""
        if self.local_date >= today or self.state is not State.READY:
            return self.cold_mails_before
        return self.cold_mails


def compute_day(verdict: Verdict, known: ReadinessDay | None, *, now: datetime, today: date, step: int) -> ReadinessDay:
    """Return the readiness of today; the number of cold mails grows by at most one step a day.

    Args:
        known: the readiness that was stored last, of today or an earlier day.
        step: mails that a day may have more than the day before; 0 on a day without sending.
    """
    level = known.find_level(today) if known and verdict.keeps_level else 0
    return ReadinessDay(
        state=verdict.state,
        reason=verdict.reason.code,
        since=known.since if known and known.state is verdict.state else now,
        local_date=today,
        cold_mails=min(verdict.ceiling, level + step),
        cold_mails_before=level,
    )
