"""The page that lists invites."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.core.enums import InviteState
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.oauth.consent.invites import InviteQuery, fetch_invite_page
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ
from gmail_warmup.web.queries.list_params import parse_choice
from gmail_warmup.web.routes import paging
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

router = APIRouter(dependencies=READ, include_in_schema=False)

_Text = Annotated[str, Query(max_length=MAX_TEXT_LENGTH)]


@router.get("/invites")
def show_invites(
    request: Request,
    context: CurrentContext,
    state: _Text = "",
    address: _Text = "",
    before: _Text = "",
    after: _Text = "",
) -> Response:
    """Show the invites, newest first. An unknown state in the link is ignored."""
    query = InviteQuery(
        address=address.strip(),
        state=parse_choice(InviteState, state),
        position=paging.parse_position(before, after),
    )
    with read_transaction(context.services.engine) as connection:
        page = fetch_invite_page(connection, query)
    return render.render_page(
        request,
        "invites.html",
        rows=page.rows,
        query=query,
        states=list(InviteState),
        days=context.services.settings.invite_days,
        **paging.build_page_queries(page, {"state": query.state, "address": query.address}),
    )
