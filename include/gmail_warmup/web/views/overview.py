"""What stands above the list: what concerns many mailboxes at once, and what the last audit found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.audit.report import incident_sentences
from gmail_warmup.db.models import AuditRun
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.planning.kill_switch import Stopped
from gmail_warmup.web.views.domains import ClosedDomain, closed_domains


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The halt that goes on, open incidents and advice, domains that are not sent from, the last audit's report."""

    incidents: list[str]
    stopped: Stopped | None
    closed: list[ClosedDomain]
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
    audit = {"audited_at": last.finished_at, "report": last.report or {}} if last else {}
    return Standing(
        incidents=incident_sentences(connection),
        stopped=kill_switch.current(connection),
        closed=closed_domains(connection),
        **audit,
    )
