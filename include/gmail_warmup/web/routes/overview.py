"""The start page: an overview of all mailboxes. It changes nothing: changes use the API."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from gmail_warmup.core.enums import GrantState
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes.addresses import normalize_domain
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ, MayReadDags, UserName
from gmail_warmup.web.queries.dag_runs import load_dag_activity
from gmail_warmup.web.queries.list_params import parse_choice
from gmail_warmup.web.routes.mailbox_list import show_mailboxes
from gmail_warmup.web.views.checks import Tone, run_checks
from gmail_warmup.web.views.fleet import FleetScope, Period, load_fleet
from gmail_warmup.web.views.mailbox import STATE_LABELS
from gmail_warmup.web.views.overview import load_overview
from gmail_warmup.web.views.readiness import READINESS_LABELS

router = APIRouter(dependencies=READ, include_in_schema=False)

_LIST_PARAMETERS = frozenset({"reauth", "state", "q", "sort", "size", "after", "before"})
"""Parameters of the list, which was the start page before; links from that time show it."""
_MAX_DOMAIN_LENGTH = 255


@router.get("/")
def show_overview(request: Request, context: CurrentContext, may_read_dags: MayReadDags, user: UserName) -> Response:
    """Show the overview, or the list for a link from the time when it was the start page."""
    if _LIST_PARAMETERS & set(request.query_params):
        return show_mailboxes(request, context, user, request.query_params.get("reauth", ""))
    settings, scope = context.services.settings, _parse_scope(request.query_params)
    with read_transaction(context.services.engine) as connection:
        overview = load_overview(connection)
        fleet = load_fleet(connection, scope, settings, stopped=overview.stopped is not None)
    dags = load_dag_activity(days=scope.period.days) if may_read_dags else []
    checks = run_checks(fleet, overview, dags)
    return render.render_page(
        request,
        "overview_page.html",
        fleet=fleet,
        overview=overview,
        dags=dags,
        checks=checks,
        is_fine=all(check.tone is not Tone.BAD for check in checks),
        periods=list(Period),
        grant_days=[
            {"date": day.date} | {str(state): number for state, number in day.states.items()} for day in fleet.grants
        ],
        grant_series=[(state.value, STATE_LABELS[state]) for state in GrantState if state is not GrantState.ACTIVE],
        repair_filter={name: value for name, value in (("kind", scope.kind), ("domain", scope.domain)) if value},
        readiness_labels=READINESS_LABELS,
        missing="",
    )


def _parse_scope(query: Mapping[str, str]) -> FleetScope:
    """Parse the URL parameters. Invalid values are ignored, so that an outdated link still works."""
    return FleetScope(
        period=parse_choice(Period, query.get("period", "")) or Period.MONTH,
        kind=parse_choice(MailboxKind, query.get("kind", "")),
        domain=to_storable_text(normalize_domain(query.get("domain", "")[:_MAX_DOMAIN_LENGTH])),
    )
