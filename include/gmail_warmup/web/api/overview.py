"""Overview of all mailboxes: counts, kill switch, open incidents, the last audit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gmail_warmup.db.engine import read_transaction
from gmail_warmup.web.api.halts import StoppedOut
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.queries import mailboxes
from gmail_warmup.web.views.domains import ClosedDomain
from gmail_warmup.web.views.overview import load_overview

router = APIRouter(tags=["standing"])


class CountsOut(BaseModel):
    """Number of mailboxes by group. `expiring` is part of `valid`; `paused` and the bands overlap all states."""

    total: int
    valid: int
    needs_reauth: int
    blocked: int
    suspect: int
    expiring: int
    paused: int
    throttled: int = Field(description="Warmup mailboxes with reduced volume because of their health.")
    health_paused: int = Field(description="Warmup mailboxes paused because of their health.")
    health_blocked: int = Field(description="Warmup mailboxes stopped because of their health until a person acts.")


class StandingOut(BaseModel):
    """Whatever affects many mailboxes: kill switch, domains, incidents, the last audit."""

    stopped: StoppedOut | None = Field(description="The active stop; null if nothing is stopped.")
    closed: list[ClosedDomain] = Field(description="Domains that may not send, sorted by name.")
    incidents: list[str] = Field(description="Open incidents: start, cause and remedy.")
    advice: list[str] = Field(description="Advice of the last audit.")
    audited_at: datetime | None = Field(description="When the last audit finished.")
    report: dict[str, Any] = Field(description="Report of the last audit; empty if there was none.")


@router.get("/counts")
def get_counts(context: CurrentContext) -> CountsOut:
    """Count the mailboxes by state."""
    services = context.services
    with read_transaction(services.engine) as connection:
        counts = mailboxes.count_by_group(connection, expiring_days=services.settings.expiring_days)
    return CountsOut.model_validate(counts, from_attributes=True)


@router.get("/standing")
def get_standing(context: CurrentContext) -> StandingOut:
    """Return the kill switch, open incidents, domains that may not send, and the report of the last audit."""
    with read_transaction(context.services.engine) as connection:
        overview = load_overview(connection)
    return StandingOut(
        stopped=StoppedOut.model_validate(overview.stopped) if overview.stopped else None,
        closed=overview.closed,
        incidents=overview.incidents,
        advice=overview.advice,
        audited_at=overview.audited_at,
        report=overview.report.to_json() if overview.audited_at else {},
    )
