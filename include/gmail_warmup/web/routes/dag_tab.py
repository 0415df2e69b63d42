"""The tab on the page of a DAG. Airflow shows it on every DAG, so other DAGs get a short notice."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.core.enums import DagId
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ
from gmail_warmup.web.queries import mailboxes
from gmail_warmup.web.queries.fleet import count_today
from gmail_warmup.web.views.overview import load_overview

router = APIRouter(dependencies=READ, include_in_schema=False)


@router.get("/dag/{dag_id}")
def show_dag_tab(request: Request, dag_id: str, context: CurrentContext) -> Response:
    """Show the overview of all mailboxes on the package's own DAGs."""
    if dag_id not in frozenset(DagId):
        return render.render_page(request, "dag_other.html", dag_id=dag_id)
    services = context.services
    settings = services.settings
    with read_transaction(services.engine) as connection:
        counts = mailboxes.count_by_group(connection, expiring_days=settings.expiring_days)
        overview = load_overview(connection)
        today = count_today(connection, settings)
    return render.render_page(
        request,
        "dag.html",
        counts=counts,
        overview=overview,
        today=today,
        expiring_days=settings.expiring_days,
        list_url=_list_url(),
    )


def _list_url() -> str:
    """Return the URL of the list inside Airflow's shell; empty if Airflow's base URL is not set."""
    try:
        return load_urls().list_url
    except ConfigurationError:
        return ""
