"""Views of a warmup mailbox's health: band, score and ramp. The page and the API share them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import BAND_LABELS, HealthBand
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.warmup.health import bands, monitor
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS
from gmail_warmup.warmup.reporting.mailbox_statistics import MailboxStatistics

_REQUALIFYING = "requalifying"


class Ramp(BaseModel):
    """Progress of a warmup mailbox on its ramp, and its current day."""

    model_config = ConfigDict(frozen=True)

    day: int = Field(description="Day of the warmup; days without a sent mail do not count.")
    phase: str = Field(description="The phase of the ramp as text.")
    progress: int = Field(description="Today's volume in per cent of the ramp's final volume.")
    taken_today: int = Field(description="Mails of today that are claimed or sent.")
    planned_today: int = Field(description="Mails planned for today; never exceeded.")
    sent_today: int
    pending_today: int = Field(description="Mails of today that are planned but not sent yet.")
    allowed_today: int = Field(description="Mails that the ramp allows today.")
    lowered_by: str | None = Field(description="Reason code if fewer mails are planned or sent than the ramp allows.")
    because: str = Field(description="The same reason as a sentence.")


class Health(BaseModel):
    """The health band of a warmup mailbox, and its score."""

    model_config = ConfigDict(frozen=True)

    band: HealthBand
    label: str
    reason: str | None = Field(description="Reason code; null for a healthy mailbox.")
    sentence: str = Field(description="The reason as a sentence.")
    step: str = Field(description="The remedy.")
    since: datetime | None = Field(
        description="When the mailbox entered the band; null if it never left the first one."
    )
    rests_until: date | None = Field(description="First local day on which the mailbox may send again after a rest.")
    can_requalify: bool = Field(description="Whether `requalify` is possible now.")
    score: int | None = Field(description="0-100; null if fewer than `floor` mails were placed in seven days.")
    placed: int = Field(description="Mails of the last seven days that were found at their recipients.")
    floor: int = Field(bands.MIN_SAMPLE_SIZE, description="Minimum number of placed mails for a score.")


class HealthChange(BaseModel):
    """One change of a mailbox's health band."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    actor: str = Field(description="Who or what caused the change; `warmup` is the engine.")
    from_band: HealthBand
    to_band: HealthBand
    label: str
    reason: str
    sentence: str = Field(description="The reason as a sentence.")
    placed: int = Field(description="Placed mails in the sample.")
    spam: int
    bounced: int
    rejected: int = Field(description="Those of the bounced mails that were rejected as spam or by policy.")


def build_ramp(statistics: MailboxStatistics) -> Ramp:
    """Build the view of a mailbox's ramp and current day."""
    today = statistics.today
    return Ramp(
        day=statistics.warmup_day,
        phase=statistics.phase,
        progress=statistics.progress,
        taken_today=today.claimed,
        planned_today=today.planned,
        sent_today=today.sent,
        pending_today=today.pending,
        allowed_today=today.ramp,
        lowered_by=today.lowered_by,
        because=reason_text(today.lowered_by),
    )


def build_health(statistics: MailboxStatistics) -> Health:
    """Build the view of a mailbox's band and score."""
    code = _REQUALIFYING if statistics.requalifies else statistics.band_reason
    reason = WARMUP_REASONS.get(code or "")
    stopped = statistics.band in (HealthBand.PAUSED, HealthBand.BLOCKED)
    return Health(
        band=statistics.band,
        label=BAND_LABELS[statistics.band],
        reason=code,
        sentence=reason.message if reason else "",
        step=reason.remedy_for(statistics.address) if reason else "",
        since=statistics.band_since,
        rests_until=statistics.rests_until,
        can_requalify=stopped and not statistics.requalifies and statistics.band_reason != "released",
        score=statistics.score,
        placed=statistics.sample.placed,
    )


def load_health_changes(connection: sa.Connection, mailbox_id: int, *, limit: int = 10) -> list[HealthChange]:
    """Return the changes of a mailbox's health band, newest first."""
    rows = monitor.list_band_changes(connection, mailbox_id, limit=limit)
    return convert_rows(rows, _build_change, table="health_event")


def _build_change(row: sa.Row[Any]) -> HealthChange:
    texts = {"label": BAND_LABELS[HealthBand(row.to_band)], "sentence": reason_text(row.reason)}
    return HealthChange.model_validate(dict(row._mapping) | texts)


def reason_text(code: str | None) -> str:
    """Return the message of a reason code; empty for a code unknown to this version."""
    reason = WARMUP_REASONS.get(code or "")
    return reason.message if reason else ""
