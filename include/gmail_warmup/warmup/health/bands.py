"""Health bands: judge a warmup mailbox by placement and bounces over seven days, and limit its volume accordingly.

The thresholds for watch, paused and blocked are those of an open-source product (Warmbly: spam 10, 20 and 40 %, bounces
5 and 10 %); complaints, its third measure, are not available through the Gmail API. A mailbox is not judged below 20
mails in seven days. Missing mails are counted separately: they may be late, or deleted by a person. Bounces because
the receiving mail server rejects mails as spam or by its policy have the same thresholds as other bounces, but are
counted separately: they are about the sender, not about its recipients.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from gmail_warmup.core.enums import HealthBand as Band

HEALTH_WINDOW = timedelta(days=7)
MIN_SAMPLE_SIZE = 20
"""Mails with a known outcome that a sample needs."""
MIN_SPAM_COUNT, MIN_BOUNCE_COUNT = 6, 2
"""Fewer of them may be chance, whatever their share: the mailbox is watched, but not throttled.

If 2 % of all mail goes to spam, 6 of 20 to 40 mails do so in at most 14 of 100,000 windows, but 4 of 25 in 140, which
affects one of a thousand mailboxes every week. At a spam rate of 50 %, fewer than 6 of 20 occur in 2 of 100 windows.
"""

_SPAM_THRESHOLDS = (
    (40, Band.BLOCKED, "spam_mostly"),
    (20, Band.PAUSED, "spam_too_much"),
    (15, Band.THROTTLED, "spam_much"),
    (10, Band.WATCH, "spam_some"),
)
_BOUNCE_THRESHOLDS = (
    (10, Band.BLOCKED, "bounces_mostly"),
    (5, Band.PAUSED, "bounces_too_many"),
    (3, Band.THROTTLED, "bounces_much"),
    (2, Band.WATCH, "bounces_some"),
)
_REJECTION_THRESHOLDS = (
    (10, Band.BLOCKED, "rejections_mostly"),
    (5, Band.PAUSED, "rejections_too_many"),
    (3, Band.THROTTLED, "rejections_much"),
    (2, Band.WATCH, "rejections_some"),
)
_SEVERITY = {band: number for number, band in enumerate(Band)}

THROTTLE_BEFORE_PAUSE = timedelta(days=1)
"""A mailbox is throttled for this long before it is paused. Only `blocked` takes effect immediately."""
THROTTLE_STEP = timedelta(days=2)
"""For how long a throttled mailbox sends 70 % before it sends half; a recovering one sends half before 70 %."""
PAUSE_DAYS = 3
"""Local days on which a paused mailbox sends nothing."""
REQUALIFY_DAILY_VOLUME = 5
"""Mails a day of a paused mailbox that sends a new sample."""


@dataclass(frozen=True, kw_only=True)
class HealthSample:
    """The known outcomes of a mailbox's first mails in the window; the rejected ones are among the bounced ones."""

    placed: int = 0
    spam: int = 0
    missing: int = 0
    bounced: int = 0
    rejected: int = 0

    @property
    def spam_percent(self) -> float:
        """Return the share of spam among the placed mails."""
        return 100 * self.spam / self.placed if self.placed else 0.0

    @property
    def bounced_percent(self) -> float:
        """Return the share of bounces that are no rejections among the mails that were placed or bounced."""
        return self._share_of_known(self.bounced - self.rejected)

    @property
    def rejected_percent(self) -> float:
        """Return the share of rejections as spam or by policy among the mails that were placed or bounced."""
        return self._share_of_known(self.rejected)

    def _share_of_known(self, count: int) -> float:
        known = self.placed + self.bounced
        return 100 * count / known if known else 0.0


@dataclass(frozen=True, kw_only=True)
class HealthStatus:
    """A mailbox's health band.

    Attributes:
        reason: a code of ``WARMUP_REASONS``; None for a healthy mailbox.
        since: when the mailbox entered the band (aware); None if it never left the first band.
        window_start: the first local day whose mails count; for a paused mailbox the day on which its rest ends.
    """

    band: Band = Band.HEALTHY
    reason: str | None = None
    since: datetime | None = None
    window_start: date | None = None

    def is_resting(self, today: date) -> bool:
        """Return whether nothing may be sent on a local day."""
        if self.band is Band.PAUSED:
            return self.window_start is None or today < self.window_start
        return self.band is Band.BLOCKED

    def is_requalifying(self, today: date) -> bool:
        """Return whether the mailbox sends its new sample on a local day."""
        return self.band is Band.PAUSED and not self.is_resting(today)


def classify_sample(sample: HealthSample) -> tuple[Band, str | None] | None:
    """Return band and reason by the sample alone, or None if the sample is too small."""
    found: list[tuple[Band, str | None]] = []
    if sample.placed >= MIN_SAMPLE_SIZE:
        found.append(_find_band(_SPAM_THRESHOLDS, sample.spam_percent, chance=sample.spam < MIN_SPAM_COUNT))
    if sample.placed + sample.bounced >= MIN_SAMPLE_SIZE:
        for thresholds, percent, count in (
            (_BOUNCE_THRESHOLDS, sample.bounced_percent, sample.bounced - sample.rejected),
            (_REJECTION_THRESHOLDS, sample.rejected_percent, sample.rejected),
        ):
            found.append(_find_band(thresholds, percent, chance=count < MIN_BOUNCE_COUNT))
    # The most severe one; the first of equal ones.
    return max(found, key=lambda judgement: _SEVERITY[judgement[0]], default=None)


def _find_band(
    thresholds: tuple[tuple[int, Band, str], ...], percent: float, *, chance: bool
) -> tuple[Band, str | None]:
    for least, band, reason in thresholds[-1:] if chance else thresholds:
        if percent >= least:
            return band, reason
    return Band.HEALTHY, None


def compute_next_status(status: HealthStatus, sample: HealthSample, *, now: datetime, today: date) -> HealthStatus:
    """Return the status that follows from the sample; the same object if nothing changes.

    Args:
        sample: of the days of the window from ``status.window_start`` on.
        today: the mailbox's local day.
    """
    judgement = classify_sample(sample)
    if judgement is None or status.is_resting(today):
        return status
    band, reason = judgement
    if status.is_requalifying(today):
        return _next_after_sample(status, band, reason, now, today)
    if band is Band.BLOCKED:
        return HealthStatus(band=band, reason=reason, since=now, window_start=status.window_start)
    if status.band is Band.THROTTLED:
        return _next_when_throttled(status, band, reason, now, today)
    if band is Band.PAUSED:
        band = Band.THROTTLED
    if band is status.band:
        return status
    reason = reason or "recovered"
    return HealthStatus(band=band, reason=reason, since=now, window_start=status.window_start)


def _next_when_throttled(
    status: HealthStatus, band: Band, reason: str | None, now: datetime, today: date
) -> HealthStatus:
    """Pause a mailbox that a day of throttling did not improve; release one that is below every threshold."""
    duration = now - status.since if status.since else timedelta(0)
    if band is Band.PAUSED and duration >= THROTTLE_BEFORE_PAUSE:
        return _build_paused_status(reason, now, today)
    if band is Band.HEALTHY and (status.reason != "requalified" or duration >= 2 * THROTTLE_STEP):
        return replace(status, band=band, reason="recovered", since=now)
    return status


def _next_after_sample(
    status: HealthStatus, band: Band, reason: str | None, now: datetime, today: date
) -> HealthStatus:
    if _SEVERITY[band] >= _SEVERITY[Band.THROTTLED]:
        return _build_paused_status(reason, now, today)
    return replace(status, band=Band.THROTTLED, reason="requalified", since=now)


def _build_paused_status(reason: str | None, now: datetime, today: date) -> HealthStatus:
    return HealthStatus(band=Band.PAUSED, reason=reason, since=now, window_start=today + timedelta(days=PAUSE_DAYS))


def compute_allowed_volume(status: HealthStatus, volume: int, *, now: datetime, today: date) -> tuple[int, str | None]:
    """Return how much of a day's volume the status allows, and the reason code if that is less."""
    if status.is_resting(today):
        return 0, status.reason
    if status.is_requalifying(today):
        return min(volume, REQUALIFY_DAILY_VOLUME), "requalifying"
    if status.band is not Band.THROTTLED:
        return volume, None
    recent = status.since is None or now - status.since < THROTTLE_STEP
    percent = 70 if recent is (status.reason != "requalified") else 50
    return max(min(volume, 1), volume * percent // 100), status.reason


def compute_score(sample: HealthSample) -> int | None:
    """Return the placement score of the window, 0-100; None if the sample is too small.

    Spam dominates: each per cent costs 2.5 points, so the score is 0 at 40 %, where a mailbox is blocked. A per cent of
    bounces costs 5 points, a per cent of missing mails one. Opened and answered mails do not count: the recipients are
    the operator's own mailboxes, which open and answer at configured rates.
    """
    if sample.placed < MIN_SAMPLE_SIZE:
        return None
    missing = 100 * sample.missing / (sample.placed + sample.missing)
    bounced_percent = sample.bounced_percent + sample.rejected_percent
    return max(0, round(100 - 2.5 * sample.spam_percent - 5 * bounced_percent - missing))
