"""The page that lists invites."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.core.enums import InviteState
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.oauth.consent.invites import InviteQuery, fetch_invite_page
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ

router = APIRouter(dependencies=READ, include_in_schema=False)

_Text = Annotated[str, Query(max_length=320)]


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
    known_state = next((known for known in InviteState if known.value == state), None)
    query = InviteQuery(
        address=to_storable_text(address.strip()), state=known_state, before=_parse_id(before), after=_parse_id(after)
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
        older_query=_page_query(query, before=page.older_before),
        newer_query=_page_query(query, after=page.newer_after),
    )


def _parse_id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _page_query(query: InviteQuery, **edge: int | None) -> str:
    """Return the query string of an adjacent page, or an empty string if that page does not exist."""
    if not any(edge.values()):
        return ""
    values = {"state": query.state, "address": query.address} | edge
    return urlencode({key: str(value) for key, value in values.items() if value})
