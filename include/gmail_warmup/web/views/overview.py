"""What stands above the list: what concerns many mailboxes at once, and what the last audit found."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.audit.report import describe_open_incidents
from gmail_warmup.db.models import AuditRun
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.planning.kill_switch import HaltRecord
from gmail_warmup.web.views.domains import ClosedDomain, load_closed_domains


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The halt that goes on, open incidents and advice, domains that are not sent from, the last audit's report."""

    incidents: list[str]
    stopped: HaltRecord | None
    closed: list[ClosedDomain]
    audited_at: datetime | None = None
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def advice(self) -> list[str]:
        """Return what the last audit advised."""
        return list(self.report.get("advice", ()))


def load_overview(connection: sa.Connection) -> Overview:
    """Look at what is open now, and at the last audit that came to its end."""
    query = sa.select(AuditRun.finished_at, AuditRun.report).where(AuditRun.finished_at.is_not(None))
    last = connection.execute(query.order_by(AuditRun.id.desc()).limit(1)).one_or_none()
    audit = {"audited_at": last.finished_at, "report": last.report or {}} if last else {}
    return Overview(
        incidents=describe_open_incidents(connection),
        stopped=kill_switch.get_active_halt(connection),
        closed=load_closed_domains(connection),
        **audit,
    )
