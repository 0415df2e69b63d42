"""The overview above the list: whatever affects many mailboxes, and the report of the last audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from gmail_warmup.audit.report import AuditReport
from gmail_warmup.oauth.incidents import describe_open_incidents
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.planning.kill_switch import HaltRecord
from gmail_warmup.web.queries.last_audit import load_last_audit
from gmail_warmup.web.views.domains import ClosedDomain, load_closed_domains


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The active kill switch, open incidents, domains that may not send, and the last audit's report.

    Attributes:
        at: the time of the database (aware).
    """

    at: datetime
    incidents: list[str]
    stopped: HaltRecord | None
    closed: list[ClosedDomain]
    audited_at: datetime | None = None
    report: AuditReport = field(default_factory=AuditReport)

    @property
    def advice(self) -> list[str]:
        """Return the advice of the last audit."""
        return list(self.report.advice)


def load_overview(connection: sa.Connection) -> Overview:
    """Load the current overview and the last finished audit."""
    audit = load_last_audit(connection)
    now, stopped = kill_switch.get_time_and_halt(connection)
    return Overview(
        at=now,
        incidents=describe_open_incidents(connection),
        stopped=stopped,
        closed=load_closed_domains(connection),
        audited_at=audit.finished_at if audit else None,
        report=audit.report if audit else AuditReport(),
    )
