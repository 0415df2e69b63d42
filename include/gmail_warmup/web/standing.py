"""What stands above the list: what concerns many mailboxes at once, and what the last audit found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import AuditRun
from gmail_warmup.grants.report import incident_sentences


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Open incidents and advice, a sentence or two each, and the last audit with its report."""

    incidents: list[str]
    audited_at: datetime | None = None
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def advice(self) -> list[str]:
        """Return what the last audit advised."""
        return list(self.report.get("advice", ()))


def standing(connection: sa.Connection) -> Standing:
    """Look at what is open now, and at the last audit that came to its end."""
    query = sa.select(AuditRun.finished_at, AuditRun.report).where(AuditRun.finished_at.is_not(None))
    last = connection.execute(query.order_by(AuditRun.id.desc()).limit(1)).one_or_none()
    incidents = incident_sentences(connection)
    if last is None:
        return Standing(incidents=incidents)
    return Standing(incidents=incidents, audited_at=last.finished_at, report=last.report or {})
