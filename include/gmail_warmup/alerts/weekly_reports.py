"""Store the weekly reports as alerts when their time has come; the outbox sends them to the receivers of alerts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

import sqlalchemy as sa

from gmail_warmup.alerts.audience import insert_alert
from gmail_warmup.alerts.text import MAX_BODY_LENGTH, PAGE_NAME, AlertMessage
from gmail_warmup.core.option_types import DAY_NAMES
from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.locks import DecisionLock, lock_decisions
from gmail_warmup.db.models import Alert, AlertKind
from gmail_warmup.warmup.reporting.weekly.report import WeeklyReport, format_report, load_weekly_report
from gmail_warmup.warmup.reporting.weekly.scope import WEEK, ReportScope, parse_scope, start_of_week

log = logging.getLogger(__name__)

_LATEST = timedelta(days=1)
"""A report that could not be made for so long is left out; the page shows it."""


def compose_weekly_reports(engine: sa.Engine, settings: Settings) -> list[int]:
    """Store the reports about the last complete week, once a week; return the ids of the new alerts."""
    if settings.weekly_report == "none":
        return []
    with write_transaction(engine) as connection:
        due = find_last_due_time(settings.weekly_report, clock.get_current_time(connection))
        if due is None:
            return []
        lock_decisions(connection, DecisionLock.WEEKLY_REPORT)
        is_report = Alert.kind == AlertKind.WEEKLY_REPORT
        if connection.scalar(sa.select(sa.func.count()).where(is_report, Alert.created_at >= due)):
            return []
        week = start_of_week(due.date()) - WEEK
        scopes = _parse_scopes(settings.weekly_report_scopes)
        return [_store_report(connection, load_weekly_report(connection, scope, week=week)) for scope in scopes]


def _parse_scopes(text: str) -> Iterator[ReportScope]:
    """Yield the scopes of the option; one that breaks a rule is logged and left out."""
    for part in text.split(","):
        try:
            yield parse_scope(part)
        except ValueError as error:
            log.error("weekly_report_scopes: no report about '%s' is sent. %s", part, error)


def find_last_due_time(schedule: str, now: datetime) -> datetime | None:
    """Return the last time (UTC) of a schedule such as ``mon 08:00``; None if it is longer ago than a day."""
    day, _, hour = schedule.partition(" ")
    now = now.astimezone(UTC)
    days = (now.weekday() - DAY_NAMES.index(day)) % 7
    due = datetime.combine(now.date() - timedelta(days=days), time.fromisoformat(hour), tzinfo=UTC)
    due -= timedelta(days=7) if due > now else timedelta(0)
    return due if now - due < _LATEST else None


def _store_report(connection: sa.Connection, report: WeeklyReport) -> int:
    note = f"\n\nAll figures, also as CSV: {PAGE_NAME}, tab Report."
    body = format_report(report)[: MAX_BODY_LENGTH - len(note)] + note
    return insert_alert(connection, AlertKind.WEEKLY_REPORT, AlertMessage(title=report.title, body=body))
