"""The page with the receivers of webhooks and the delivery log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.alerts.webhooks import delivery_log
from gmail_warmup.alerts.webhooks.delivery_log import DeliveryQuery
from gmail_warmup.core.enums import DeliveryState
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ
from gmail_warmup.web.queries.list_params import parse_choice
from gmail_warmup.web.routes import paging
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

router = APIRouter(dependencies=READ, include_in_schema=False)

_Text = Annotated[str, Query(max_length=MAX_TEXT_LENGTH)]


@router.get("/webhooks")
def show_webhooks(
    request: Request,
    context: CurrentContext,
    receiver: _Text = "",
    state: _Text = "",
    address: _Text = "",
    before: _Text = "",
    after: _Text = "",
) -> Response:
    """Show the receivers and the deliveries, newest first. An unknown state in the link is ignored."""
    settings = context.services.settings
    query = DeliveryQuery(
        receiver=receiver.strip(),
        state=parse_choice(DeliveryState, state),
        address=address.strip(),
        position=paging.parse_position(before, after, limit=50),
    )
    with read_transaction(context.services.engine) as connection:
        receivers = delivery_log.load_receiver_states(connection)
        page = delivery_log.load_deliveries(connection, query)
    registered = {status.conn_id for status in receivers}
    return render.render_page(
        request,
        "webhooks.html",
        receivers=receivers,
        unregistered=[conn_id for conn_id in settings.webhook_receivers if conn_id not in registered],
        listed=settings.webhook_receivers,
        rows=page.rows,
        query=query,
        states=list(DeliveryState),
        settings=settings,
        **paging.build_page_queries(page, {"receiver": query.receiver, "state": query.state, "address": query.address}),
    )
