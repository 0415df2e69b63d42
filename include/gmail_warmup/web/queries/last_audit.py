"""The last finished audit of the grants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.audit.report import AuditReport
from gmail_warmup.db.models import AuditRun


@dataclass(frozen=True, kw_only=True)
class LastAudit:
    """When the audit finished, and its report."""

    finished_at: datetime
    report: AuditReport


def load_last_audit(connection: sa.Connection) -> LastAudit | None:
    """Return the last finished audit, or None before the first one."""
    query = sa.select(AuditRun.finished_at, AuditRun.report).where(AuditRun.finished_at.is_not(None))
    row = connection.execute(query.order_by(AuditRun.id.desc()).limit(1)).one_or_none()
    return LastAudit(finished_at=row.finished_at, report=AuditReport.from_json(row.report)) if row else None
