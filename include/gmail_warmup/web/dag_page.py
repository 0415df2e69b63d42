"""The tab of a DAG. Airflow 3.3 shows a tab on every DAG or on none, so on those of others it says so calmly."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.errors import ConfigurationError
from gmail_warmup.web import queries, render, site
from gmail_warmup.web.context import CurrentContext
from gmail_warmup.web.rights import MAY_READ, MayChange
from gmail_warmup.web.standing import standing
from gmail_warmup.web.today import today

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
        counts = queries.counts(connection, expiring_days=settings.expiring_days)
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
        return f"{site.view_url()}{site.path()}/"
    except ConfigurationError:
        return ""
