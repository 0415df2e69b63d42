"""Overview of all mailboxes: counts, kill switch, open incidents, the last audit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes.addresses import normalize_domain
from gmail_warmup.web.api.halts import StoppedOut
from gmail_warmup.web.api.selection import TagText
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import MayReadDags
from gmail_warmup.web.queries import mailboxes
from gmail_warmup.web.queries.dag_runs import load_dag_activity
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH
from gmail_warmup.web.views.checks import Check, run_checks
from gmail_warmup.web.views.domains import ClosedDomain
from gmail_warmup.web.views.fleet import Fleet, load_fleet
from gmail_warmup.web.views.fleet_scope import FleetScope, Period
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


class DagOut(BaseModel):
    """Finished runs of a DAG in the period."""

    dag_id: str
    runs: int
    failed_runs: int
    median_seconds: float | None = Field(description="Median duration of a run.")
    failed_tasks: int = Field(description="Failed task instances, without those that a retry repaired.")
    last_at: datetime | None = Field(description="When the last run ended.")
    last_failed: bool


class StandingOut(BaseModel):
    """Whatever affects many mailboxes: kill switch, domains, incidents, the last audit."""

    stopped: StoppedOut | None = Field(description="The active stop; null if nothing is stopped.")
    closed: list[ClosedDomain] = Field(description="Domains that may not send, sorted by name.")
    incidents: list[str] = Field(description="Open incidents: start, cause and remedy.")
    advice: list[str] = Field(description="Advice of the last audit.")
    audited_at: datetime | None = Field(description="When the last audit finished.")
    report: dict[str, Any] = Field(description="Report of the last audit; empty if there was none.")


class OverviewOut(Fleet):
    """The overview of the start page."""

    checks: list[Check]
    dags: list[DagOut] = Field(description="Empty without the permission to read the runs of both DAGs.")


@router.get("/overview")
def get_overview(
    context: CurrentContext,
    may_read_dags: MayReadDags,
    period: Period = Period.MONTH,
    kind: MailboxKind | None = None,
    domain: Annotated[str, Query(max_length=MAX_TEXT_LENGTH, description="Only mailboxes of this domain.")] = "",
    tag: Annotated[TagText, Query(description="Only mailboxes with this tag.")] = "",
) -> OverviewOut:
    """Return what the start page shows: checks, mails, grants, domains, pool, backlog, audits and runs of a period."""
    scope = FleetScope(period=period, kind=kind, domain=normalize_domain(domain), tag=tag)
    with read_transaction(context.services.engine) as connection:
        overview = load_overview(connection)
        fleet = load_fleet(connection, scope, context.services.settings, stopped=overview.stopped is not None)
    dags = load_dag_activity(days=period.days) if may_read_dags else []
    checks = run_checks(fleet, overview, dags)
    return OverviewOut(
        **dict(fleet), checks=checks, dags=[DagOut.model_validate(dag, from_attributes=True) for dag in dags]
    )


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
