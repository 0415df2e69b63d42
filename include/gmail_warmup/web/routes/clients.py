"""The page of the OAuth clients. It changes nothing: changes use the API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.db.engine import read_transaction
from gmail_warmup.oauth.clients.registry import MAX_USER_LIMIT, ClientState
from gmail_warmup.oauth.clients.status import load_client_statuses
from gmail_warmup.oauth.consent import repair_queue
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ, UserName
from gmail_warmup.web.queries.last_audit import load_last_audit

router = APIRouter(dependencies=READ, include_in_schema=False)


@router.get("/clients")
def show_clients(request: Request, context: CurrentContext, user: UserName) -> Response:
    """Show the clients, and the queue with which the user moves mailboxes to one."""
    services = context.services
    with read_transaction(services.engine) as connection:
        statuses = load_client_statuses(connection, default=services.settings.client_conn_id)
        queue = repair_queue.load_queue(connection, user)
        audit = load_last_audit(connection)
    return render.render_page(
        request,
        "clients.html",
        statuses=statuses,
        targets=[status.client.conn_id for status in statuses if status.client.state is ClientState.OPEN],
        queue=queue if queue.target else None,
        max_user_limit=MAX_USER_LIMIT,
        audited_at=audit.finished_at if audit else None,
    )
