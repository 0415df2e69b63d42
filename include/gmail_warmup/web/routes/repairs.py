"""The page of a user's queue of repairs or of a move: its progress, and its summary at the end."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.core import urls
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.oauth.consent import repair_queue
from gmail_warmup.oauth.consent.repair_queue import RepairStatus
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ, UserName

router = APIRouter(dependencies=READ, include_in_schema=False)


@router.get(urls.REPAIRS_PATH)
def show_repairs(request: Request, context: CurrentContext, user: UserName) -> Response:
    """Show the queue of the user."""
    with read_transaction(context.services.engine) as connection:
        queue = repair_queue.load_queue(connection, user)
    counts = {status.value: queue.count(status) for status in RepairStatus}
    limit = repair_queue.MAX_QUEUE_LENGTH
    return render.render_page(request, "repairs.html", queue=queue, counts=counts, max_queue=limit)
