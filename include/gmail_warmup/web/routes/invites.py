"""The list of invites."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.core.enums import InviteState
from gmail_warmup.oauth.consent import invites as invite
from gmail_warmup.oauth.consent.invites import InviteQuery
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import MAY_READ, MayChange
from gmail_warmup.web.queries.filters import to_storable_text

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)

_Text = Annotated[str, Query(max_length=320)]


@router.get("/invites")
def show_invites(
    request: Request,
    context: CurrentContext,
    may_change: MayChange,
    state: _Text = "",
    address: _Text = "",
    before: _Text = "",
    after: _Text = "",
) -> Response:
    """Show the invites, the newest first; a link with a filter that is not known shows them all."""
    chosen = next((known for known in InviteState if known.value == state), None)
    wanted = InviteQuery(
        address=to_storable_text(address.strip()), state=chosen, before=_parse_id(before), after=_parse_id(after)
    )
    with context.services.engine.begin() as connection:
        page = invite.fetch_invite_page(connection, wanted)
    return render.render_page(
        request,
        "invites.html",
        rows=page.rows,
        wanted=wanted,
        states=list(InviteState),
        may_change=may_change,
        days=context.services.settings.invite_days,
        older_query=_page_query(wanted, before=page.older_before),
        newer_query=_page_query(wanted, after=page.newer_after),
    )


def _parse_id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _page_query(wanted: InviteQuery, **edge: int | None) -> str:
    """Return the query of a neighbouring page, or the empty string if there is none."""
    if not any(edge.values()):
        return ""
    given = {"state": wanted.state, "address": wanted.address} | edge
    return urlencode({key: str(value) for key, value in given.items() if value})
