"""The start page: an overview of all mailboxes. It changes nothing: changes use the API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.core.enums import READINESS_LABELS, STATE_LABELS, GrantState
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.mailboxes.tags import count_tags
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ, MayReadDags, UserName
from gmail_warmup.web.queries.dag_runs import load_dag_activity
from gmail_warmup.web.routes.mailbox_list import show_mailboxes
from gmail_warmup.web.views.checks import Tone, run_checks
from gmail_warmup.web.views.fleet import load_fleet
from gmail_warmup.web.views.fleet_scope import FleetScope, Period
from gmail_warmup.web.views.overview import load_overview

router = APIRouter(dependencies=READ, include_in_schema=False)

_LIST_PARAMETERS = frozenset({"reauth", "state", "q", "sort", "size", "after", "before"})
"""Parameters of the list, which was the start page before; links from that time show it."""


@router.get("/")
def show_overview(request: Request, context: CurrentContext, may_read_dags: MayReadDags, user: UserName) -> Response:
    """Show the overview, or the list for a link from the time when it was the start page."""
    if _LIST_PARAMETERS & set(request.query_params):
        return show_mailboxes(request, context, user, request.query_params.get("reauth", ""))
    settings, scope = context.services.settings, FleetScope.from_query(request.query_params)
    with read_transaction(context.services.engine) as connection:
        overview = load_overview(connection)
        fleet = load_fleet(connection, scope, settings, stopped=overview.stopped is not None)
        tags = [found.tag for found in count_tags(connection)]
    dags = load_dag_activity(days=scope.period.days) if may_read_dags else []
    checks = run_checks(fleet, overview, dags)
    return render.render_page(
        request,
        "overview_page.html",
        scope=scope,
        fleet=fleet,
        tags=tags if scope.tag in ("", *tags) else [*tags, scope.tag],
        overview=overview,
        dags=dags,
        checks=checks,
        is_fine=all(check.tone is not Tone.BAD for check in checks),
        periods=list(Period),
        grant_days=[
            {"date": day.date} | {state.value: number for state, number in day.states.items()} for day in fleet.grants
        ],
        grant_series=[(state.value, STATE_LABELS[state]) for state in GrantState if state is not GrantState.ACTIVE],
        readiness_labels=READINESS_LABELS,
        missing="",
    )
