"""What the readiness of the simulated mailboxes came to: who was ready when, and how the volume grew."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bench.engine.cast import Player, Script
from bench.engine.stage import Stage
from gmail_warmup.core.enums import ReadinessState
from gmail_warmup.db.models import Mailbox, MailboxDay, MailboxReadiness
from gmail_warmup.warmup.health.bands import MIN_SAMPLE_SIZE
from gmail_warmup.warmup.planning.ramp import Ramp
from gmail_warmup.warmup.planning.schedules import Schedule
from gmail_warmup.warmup.readiness.store import update_readiness
from gmail_warmup.warmup.reporting.refresh import refresh_overview

SENDING_DAYS = 5
"""Sending days in a week."""
DETECTION = timedelta(days=2)
"""How long after the rise of the spam chance a mailbox may still be ready: its mails have to be found first."""


@dataclass(frozen=True, kw_only=True)
class ReadyDay:
    """The readiness of a mailbox at the end of a local day, and the mails of that day."""

    local_date: date
    state: str
    cold_mails: int
    planned: int


ReadyDays = dict[str, list[ReadyDay]]
"""The days of each mailbox, by address."""

_SELECT_DAYS = (
    sa.select(
        Mailbox.address, MailboxReadiness.local_date, MailboxReadiness.state, MailboxReadiness.cold_mails,
        sa.func.coalesce(MailboxDay.planned, 0).label("planned"),
    )
    .join(MailboxReadiness, MailboxReadiness.mailbox_id == Mailbox.id)
    .outerjoin(
        MailboxDay,
        sa.and_(MailboxDay.mailbox_id == Mailbox.id, MailboxDay.local_date == MailboxReadiness.local_date),
    )
)  # fmt: skip


def record_readiness(stage: Stage, days: ReadyDays) -> None:
    """Do what each DAG run does, and note the day of every mailbox."""
    update_readiness(stage.engine, stage.settings)
    refresh_overview(stage.engine, stage.settings)
    with stage.engine.begin() as connection:
        for row in connection.execute(_SELECT_DAYS):
            values = dict(row._mapping)
            days.setdefault(values.pop("address"), []).append(ReadyDay(**values))


def count_wrong(stage: Stage, days: ReadyDays) -> int:
    """Count the days on which a mailbox was ready in spam, and the mailboxes that were not ready in time."""
    script, wrong = stage.script, 0
    for player in script.players:
        if player.kind == "warmup":
            wrong += _count_wrong(
                script, player, days.get(player.address, ()), Schedule.from_settings(stage.settings).ramp
            )
    return wrong


def _count_wrong(script: Script, player: Player, days: Sequence[ReadyDay], ramp: Ramp) -> int:
    ready = [day.local_date for day in days if day.state == ReadinessState.READY]
    if player.domain == script.sick_domain:
        known = (script.sick_at + DETECTION).date()
        return sum(day >= known for day in ready)
    if ramp.compute_final_volume(player.daily_target) * SENDING_DAYS < MIN_SAMPLE_SIZE:
        return len(ready)  # too few mails for a judgement
    due = _find_due_day(script, player, ramp)
    return int(due < script.end.date() and not any(day <= due for day in ready))


def _find_due_day(script: Script, player: Player, ramp: Ramp) -> date:
    """Return the documented day: the second sending day after the last one of the ramp."""
    day, left = script.start.astimezone(ZoneInfo(player.zone)).date(), ramp.count_ramp_days(player.daily_target) + 2
    while True:
        left -= day.weekday() < SENDING_DAYS
        if not left:
            return day
        day += timedelta(days=1)


def find_largest_jump(days: Mapping[str, Sequence[ReadyDay]]) -> float:
    """Return the largest growth, in per cent, of a ready mailbox from a sending day to the next, cold mail included."""
    largest = 0.0
    for own in days.values():
        sending = [day for day in own if day.planned]
        for before, after in itertools.pairwise(sending):
            if after.state == ReadinessState.READY:
                total = before.planned + before.cold_mails
                largest = max(largest, 100 * (after.planned + after.cold_mails - total) / total)
    return largest
