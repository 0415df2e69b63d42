"""The page that lists removals of mailboxes: those in progress, and the receipts of finished ones."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.db.engine import read_transaction
from gmail_warmup.mailboxes import removals
from gmail_warmup.warmup.removal.text import describe_removal, is_complete
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ

router = APIRouter(dependencies=READ, include_in_schema=False)


@router.get("/removals")
def show_removals(request: Request, context: CurrentContext) -> Response:
    """Show the removals in progress, then the last receipts."""
    with read_transaction(context.services.engine) as connection:
        found = removals.list_removals(connection)
    rows = [(removal, describe_removal(removal), is_complete(removal)) for removal in found]
    return render.render_page(request, "removals.html", rows=rows)
