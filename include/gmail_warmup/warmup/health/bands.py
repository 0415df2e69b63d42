"""Health: how a warmup mailbox fares by where its mails were put and by bounces, and how much it may send.

Thresholds for watch, paused and blocked are those of an open-source product of this field (Warmbly: spam 10, 20 and
40 %, bounces 5 and 10 %); complaints, its third measure, cannot be seen through the Gmail API. Nothing is judged below
20 mails in seven days. Missing mails are counted apart: they may be late, or deleted by a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from gmail_warmup.core.enums import HealthBand as Band

HEALTH_WINDOW = timedelta(days=7)
MIN_SAMPLE_SIZE = 20
"""Mails with a known fate in the window before any judgement."""
MIN_SPAM_COUNT, MIN_BOUNCE_COUNT = 6, 2
"""Fewer of them are chance, whatever their share: they are watched, but slow and stop nothing.

Where 2 % of all mail goes to spam anyway, 6 of 20 to 40 mails do so in at most 14 of 100,000 windows; 4 of 25 in 140,
which among a thousand mailboxes is somebody every week. At 50 % spam 6 of 20 are missed in 2 of 100.
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
_SEVERITY = {band: number for number, band in enumerate(Band)}

THROTTLE_BEFORE_PAUSE = timedelta(days=1)
"""A mailbox is slowed first; what a day of that does not mend is paused. Only `blocked` comes at once."""
THROTTLE_STEP = timedelta(days=2)
"""How long a throttled mailbox sends 70 % before it sends half; on the way back half before 70 %."""
PAUSE_DAYS = 3
"""Local days for which a paused mailbox sends nothing."""
REQUALIFY_DAILY_VOLUME = 5
"""Mails a day of a mailbox that earns its way back."""


@dataclass(frozen=True, kw_only=True)
class HealthSample:
    """What became of the first mails of a mailbox in the window, as far as it is known."""

    placed: int = 0
    spam: int = 0
    missing: int = 0
    bounced: int = 0

    @property
    def spam_percent(self) -> float:
        """Return the share of spam among the placed mails."""
        return 100 * self.spam / self.placed if self.placed else 0.0

    @property
    def bounced_percent(self) -> float:
        """Return the share of bounces among the mails that were placed or bounced."""
        known = self.placed + self.bounced
        return 100 * self.bounced / known if known else 0.0


@dataclass(frozen=True, kw_only=True)
class HealthStatus:
    """A mailbox's band.

    Attributes:
        reason: a code of ``WARMUP_REASONS``; None for a healthy mailbox.
        since: when it came into the band (aware); None for one that never left the first.
        sample_from: the first local day whose mails count; one in the future ends a rest.
    """

    band: Band = Band.HEALTHY
    reason: str | None = None
    since: datetime | None = None
    window_start: date | None = None

    def is_resting(self, today: date) -> bool:
        """Tell whether nothing may be sent on a local day."""
        if self.band is Band.PAUSED:
            return self.window_start is None or today < self.window_start
        return self.band is Band.BLOCKED

    def is_requalifying(self, today: date) -> bool:
        """Tell whether it sends its fresh sample on a local day."""
        return self.band is Band.PAUSED and not self.is_resting(today)


def classify_sample(sample: HealthSample) -> tuple[Band, str | None] | None:
    """Return band and reason by a sample alone, or None below the floor."""
    found: list[tuple[Band, str | None]] = []
    if sample.placed >= MIN_SAMPLE_SIZE:
        found.append(_find_band(_SPAM_THRESHOLDS, sample.spam_percent, chance=sample.spam < MIN_SPAM_COUNT))
    if sample.placed + sample.bounced >= MIN_SAMPLE_SIZE:
        found.append(_find_band(_BOUNCE_THRESHOLDS, sample.bounced_percent, chance=sample.bounced < MIN_BOUNCE_COUNT))
    # The worse one; of two alike the spam.
    return max(found, key=lambda judged: _SEVERITY[judged[0]], default=None)


def _find_band(
    thresholds: tuple[tuple[int, Band, str], ...], percent: float, *, chance: bool
) -> tuple[Band, str | None]:
    for least, band, reason in thresholds[-1:] if chance else thresholds:
        if percent >= least:
            return band, reason
    return Band.HEALTHY, None


def compute_next_status(standing: HealthStatus, sample: HealthSample, *, now: datetime, today: date) -> HealthStatus:
    """Return the standing after a look at the sample; the same object where nothing changes.

    Args:
        sample: of the days of the window from ``standing.sample_from`` on.
        today: the mailbox's local day.
    """
    judged = classify_sample(sample)
    if judged is None or standing.is_resting(today):
        return standing
    band, reason = judged
    if standing.is_requalifying(today):
        return _next_after_sample(standing, band, reason, now, today)
    if band is Band.BLOCKED:
        return HealthStatus(band=band, reason=reason, since=now, window_start=standing.window_start)
    if standing.band is Band.THROTTLED:
        return _next_when_throttled(standing, band, reason, now, today)
    if band is Band.PAUSED:
        band = Band.THROTTLED
    if band is standing.band:
        return standing
    reason = reason or "recovered"
    return HealthStatus(band=band, reason=reason, since=now, window_start=standing.window_start)


def _next_when_throttled(
    standing: HealthStatus, band: Band, reason: str | None, now: datetime, today: date
) -> HealthStatus:
    """Pause what a day of less volume did not mend; let go what is below every threshold, not what wavers."""
    lasted = now - standing.since if standing.since else timedelta(0)
    if band is Band.PAUSED and lasted >= THROTTLE_BEFORE_PAUSE:
        return _build_paused_status(reason, now, today)
    if band is Band.HEALTHY and (standing.reason != "requalified" or lasted >= 2 * THROTTLE_STEP):
        return replace(standing, band=band, reason="recovered", since=now)
    return standing


def _next_after_sample(
    standing: HealthStatus, band: Band, reason: str | None, now: datetime, today: date
) -> HealthStatus:
    if _SEVERITY[band] >= _SEVERITY[Band.THROTTLED]:
        return _build_paused_status(reason, now, today)
    return replace(standing, band=Band.THROTTLED, reason="requalified", since=now)


def _build_paused_status(reason: str | None, now: datetime, today: date) -> HealthStatus:
    return HealthStatus(band=Band.PAUSED, reason=reason, since=now, window_start=today + timedelta(days=PAUSE_DAYS))


def compute_allowed_volume(
    standing: HealthStatus, volume: int, *, now: datetime, today: date
) -> tuple[int, str | None]:
    """Return how much of a day's volume the standing allows, and the reason code where that is less."""
    if standing.is_resting(today):
        return 0, standing.reason
    if standing.is_requalifying(today):
        return min(volume, REQUALIFY_DAILY_VOLUME), "requalifying"
    if standing.band is not Band.THROTTLED:
        return volume, None
    recent = standing.since is None or now - standing.since < THROTTLE_STEP
    percent = 70 if recent is (standing.reason != "requalified") else 50
    return max(min(volume, 1), volume * percent // 100), standing.reason


def compute_score(sample: HealthSample) -> int | None:
    """Return how well the mails of the window were placed, 0-100; None below the floor.

    Spam dominates it: 2.5 points for each per cent, so that 40 %, where a mailbox is blocked, leaves nothing. A per
    cent of bounces costs 5 points, a per cent of missing mails one. Opened and answered mails do not count: the
    recipients are the operator's own, who open and answer as they are told.
    """
    if sample.placed < MIN_SAMPLE_SIZE:
        return None
    missing = 100 * sample.missing / (sample.placed + sample.missing)
    return max(0, round(100 - 2.5 * sample.spam_percent - 5 * sample.bounced_percent - missing))


def compute_legacy_score(*, open_percent: float, reply_percent: float, progress: int, spam_percent: float) -> int:
    """Return a score in the manner of the first system, for comparison with what it showed; not used for anything.

    It went by open rate, reply rate, progress of the phases and spam. The weights here are 40, 30, 20 and 10 points:
    the open rate counts fully from 80 %, the reply rate from 55 %, its defaults; spam takes away from the last ten
    only, which reproduces its defect that a mailbox with 100 % spam at the end of its ramp scored 90, an A+.
    """
    opened, replied = min(1.0, open_percent / 80), min(1.0, reply_percent / 55)
    return round(40 * opened + 30 * replied + 20 * progress / 100 + 10 * (1 - spam_percent / 100))


_GRADES = ((90, "A+"), (80, "A"), (70, "B"), (60, "C"), (50, "D"))


def grade_score(points: int) -> str:
    """Return the first system's grade for a score."""
    return next((name for least, name in _GRADES if points >= least), "F")
