"""The tab of a DAG. Airflow 3.3 shows a tab on every DAG or on none, so on those of others it says so calmly."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.core import urls
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import MAY_READ, MayChange
from gmail_warmup.web.queries import mailboxes
from gmail_warmup.web.queries.daily_totals import count_today
from gmail_warmup.web.views.overview import load_overview

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)

PACKAGE_DAGS = frozenset({"gmail_warmup", "gmail_token_health"})


@router.get("/dag/{dag_id}")
def show_dag_tab(request: Request, dag_id: str, context: CurrentContext, may_change: MayChange) -> Response:
    """Show how all mailboxes are, on the tab of one of our DAGs."""
    if dag_id not in PACKAGE_DAGS:
        return render.render_page(request, "dag_other.html", dag_id=dag_id)
    services = context.services
    settings = services.settings
    with services.engine.begin() as connection:
        counts = mailboxes.count_by_group(connection, expiring_days=settings.expiring_days)
        looked = load_overview(connection)
        done = count_today(connection, settings)
    return render.render_page(
        request,
        "dag.html",
        counts=counts,
        standing=looked,
        today=done,
        expiring_days=settings.expiring_days,
        listed=_list_url(),
        may_change=may_change,
    )


def _list_url() -> str:
    """Return the address of the list inside Airflow's shell; empty while Airflow's own address is not set."""
    try:
        return f"{urls.view_url()}{urls.cookie_path()}/"
    except ConfigurationError:
        return ""
