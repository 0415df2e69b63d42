"""How a warmup mailbox fares, in words: its band, its score and its day. The page and the API say the same."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import HealthBand
from gmail_warmup.warmup.health import bands, monitor
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS
from gmail_warmup.warmup.reporting.statistics import MailboxStatistics

BAND_LABELS = {
    HealthBand.HEALTHY: "Healthy",
    HealthBand.WATCH: "Watched",
    HealthBand.THROTTLED: "Throttled",
    HealthBand.PAUSED: "Paused by health",
    HealthBand.BLOCKED: "Blocked by health",
}
_REQUALIFYING = "requalifying"


class Ramp(BaseModel):
    """Where a warmup mailbox is on its way to its target, and its day."""

    model_config = ConfigDict(frozen=True)

    day: int = Field(description="Day of the warmup; days without a mail do not count.")
    phase: str = Field(description="Where on its way it is, in words.")
    progress: int = Field(description="Per cent of the ramp's level that it has reached.")
    taken_today: int = Field(description="Mails of today that were begun or sent.")
    planned_today: int = Field(description="Mails that are planned for today; more are not sent.")
    sent_today: int
    pending_today: int = Field(description="Mails of today that are planned and not sent yet.")
    allowed_today: int = Field(description="Mails that today's step of the ramp allows.")
    lowered_by: str | None = Field(description="The reason code where fewer are planned or sent than the ramp allows.")
    because: str = Field(description="The same reason in words.")


class Health(BaseModel):
    """The health band of a warmup mailbox, and its score."""

    model_config = ConfigDict(frozen=True)

    band: HealthBand
    label: str
    reason: str | None = Field(description="The reason code; null for a healthy mailbox.")
    sentence: str = Field(description="The reason in words.")
    step: str = Field(description="What to do about it.")
    since: datetime | None = Field(description="When it came into the band; null if it never left the first.")
    rests_until: date | None = Field(description="The first local day on which it may send again, after a rest.")
    can_requalify: bool = Field(description="Whether a person can let it send a fresh sample now.")
    score: int | None = Field(description="0-100; null while fewer mails than `floor` were placed in seven days.")
    placed: int = Field(description="Mails of the last seven days that were found at their recipients.")
    floor: int = Field(bands.MIN_SAMPLE_SIZE, description="Fewer placed mails are not judged.")


class HealthChange(BaseModel):
    """One change of a mailbox's health band."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    actor: str = Field(description="Who or what caused it; `warmup` is the engine.")
    from_band: HealthBand
    to_band: HealthBand
    label: str
    reason: str
    sentence: str = Field(description="The reason in words.")
    placed: int = Field(description="Mails that it was judged by.")
    spam: int
    bounced: int


def build_ramp(found: MailboxStatistics) -> Ramp:
    """Return a mailbox's ramp and day in words."""
    today = found.today
    return Ramp(
        day=found.warmup_day,
        phase=found.phase,
        progress=found.progress,
        taken_today=today.claimed,
        planned_today=today.planned,
        sent_today=today.sent,
        pending_today=today.pending,
        allowed_today=today.ramp,
        lowered_by=today.lowered_by,
        because=reason_text(today.lowered_by),
    )


def build_health(found: MailboxStatistics) -> Health:
    """Return a mailbox's band and score in words."""
    code = _REQUALIFYING if found.requalifies else found.band_reason
    reason = WARMUP_REASONS.get(code or "")
    stopped = found.band in (HealthBand.PAUSED, HealthBand.BLOCKED)
    return Health(
        band=found.band,
        label=BAND_LABELS[found.band],
        reason=code,
        sentence=reason.message if reason else "",
        step=reason.remedy_for(found.address) if reason else "",
        since=found.band_since,
        rests_until=found.rests_until,
        can_requalify=stopped and not found.requalifies and found.band_reason != "released",
        score=found.score,
        placed=found.sample.placed,
    )


def load_health_changes(connection: sa.Connection, mailbox_id: int, *, limit: int = 10) -> list[HealthChange]:
    """Return the changes of a mailbox's band, the newest first."""
    return [_build_change(row) for row in monitor.list_band_changes(connection, mailbox_id, limit=limit)]


def _build_change(row: sa.Row[Any]) -> HealthChange:
    told = {"label": BAND_LABELS[HealthBand(row.to_band)], "sentence": reason_text(row.reason)}
    return HealthChange.model_validate(dict(row._mapping) | told)


def reason_text(code: str | None) -> str:
    """Return what a reason code says; nothing for one that this version does not know."""
    reason = WARMUP_REASONS.get(code or "")
    return reason.message if reason else ""
