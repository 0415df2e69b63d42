"""The last finished audits of the grants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.audit.report import AuditReport
from gmail_warmup.db.models import AuditRun


@dataclass(frozen=True, kw_only=True)
class LastAudit:
    """When the audit finished, and its report."""

    finished_at: datetime
    report: AuditReport


_SELECT_LAST = (
    sa.select(AuditRun.finished_at, AuditRun.report)
    .where(AuditRun.finished_at.is_not(None))
    .order_by(AuditRun.id.desc())
    .limit(1)
)


def load_last_audit(connection: sa.Connection) -> LastAudit | None:
    """Return the last finished audit, or None before the first one."""
    row = connection.execute(_SELECT_LAST).one_or_none()
    return LastAudit(finished_at=row.finished_at, report=AuditReport.from_json(row.report)) if row else None


@dataclass(frozen=True, kw_only=True)
class AuditSummary:
    """One finished audit: its duration, and the numbers of mailboxes of its report."""

    started_at: datetime
    finished_at: datetime
    seconds: float
    mailboxes: int
    valid: int
    flagged: int
    suspect: int
    not_reached: int
    app_error: str | None


_FLAGGED = ("needs_reauth", "blocked", "deleted", "disabled")
_NUMBERS = ("mailboxes", "valid", "refreshed", "suspect", "not_reached", "app_error", *_FLAGGED)
_SELECT_RECENT = (
    sa.select(AuditRun.started_at, AuditRun.finished_at, *(AuditRun.report[name].label(name) for name in _NUMBERS))
    .where(AuditRun.finished_at.is_not(None))
    .order_by(AuditRun.id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


def load_recent_audits(connection: sa.Connection, *, limit: int = 5) -> list[AuditSummary]:
    """Return the last finished audits, newest first. Only the numbers of their reports are read."""
    return [_to_summary(row) for row in connection.execute(_SELECT_RECENT, {"limit": limit})]


def _to_summary(row: sa.Row[Any]) -> AuditSummary:
    def number(name: str) -> int:
        value = row._mapping[name]
        return value if type(value) is int else 0

    return AuditSummary(
        started_at=row.started_at,
        finished_at=row.finished_at,
        seconds=round((row.finished_at - row.started_at).total_seconds(), 1),
        mailboxes=number("mailboxes"),
        valid=number("valid") + number("refreshed"),
        flagged=sum(map(number, _FLAGGED)),
        suspect=number("suspect"),
        not_reached=number("not_reached"),
        app_error=row.app_error if isinstance(row.app_error, str) else None,
    )
