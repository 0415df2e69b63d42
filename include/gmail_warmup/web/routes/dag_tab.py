"""The tab of a DAG. Airflow 3.3 shows a tab on every DAG or on none, so on those of others it says so calmly."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.core import urls
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import MAY_READ, MayChange
from gmail_warmup.web.queries import mailboxes
from gmail_warmup.web.queries.daily_totals import today
from gmail_warmup.web.views.overview import standing

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)

OURS = frozenset({"gmail_warmup", "gmail_token_health"})


@router.get("/dag/{dag_id}")
def dag(request: Request, dag_id: str, context: CurrentContext, may_change: MayChange) -> Response:
    """Show how all mailboxes are, on the tab of one of our DAGs."""
    if dag_id not in OURS:
        return render.page(request, "dag_other.html", dag_id=dag_id)
    services = context.services
    settings = services.settings
    with services.engine.begin() as connection:
        counts = mailboxes.counts(connection, expiring_days=settings.expiring_days)
        looked = standing(connection)
        done = today(connection, settings)
    return render.page(
        request,
        "dag.html",
        counts=counts,
        standing=looked,
        today=done,
        expiring_days=settings.expiring_days,
        listed=_list_address(),
        may_change=may_change,
    )


def _list_address() -> str:
    """Return the address of the list inside Airflow's shell; empty while Airflow's own address is not set."""
    try:
        return f"{urls.view_url()}{urls.path()}/"
    except ConfigurationError:
        return ""
