"""The start page: an overview of all mailboxes. It changes nothing: changes use the API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gmail_warmup.db.engine import read_transaction
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import MAY_READ, MayChange
from gmail_warmup.web.queries import mailboxes as queries
from gmail_warmup.web.views.overview import load_overview

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)

_LIST_PARAMETERS = frozenset({"reauth", "state", "q", "sort", "size", "after", "before"})
"""Parameters of the list, which was the start page before; links from that time lead to the list."""


@router.get("/")
def show_overview(request: Request, context: CurrentContext, may_change: MayChange) -> Response:
    """Show the overview, or lead an old link to the list."""
    if _LIST_PARAMETERS & set(request.query_params):
        return RedirectResponse(f"./mailboxes?{request.url.query}", status_code=307)
    settings = context.services.settings
    with read_transaction(context.services.engine) as connection:
        counts = queries.count_by_group(connection, expiring_days=settings.expiring_days)
        overview = load_overview(connection)
    return render.render_page(
        request, "overview_page.html", counts=counts, overview=overview, expiring_days=settings.expiring_days,
        may_change=may_change, missing="",
    )  # fmt: skip
