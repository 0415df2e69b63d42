"""The pages that a person reads. They change nothing: every change goes through the API."""

from __future__ import annotations

from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes import repository
from gmail_warmup.web import notice, queries, render
from gmail_warmup.web.context import CurrentContext
from gmail_warmup.web.queries import Group, Wanted
from gmail_warmup.web.rights import MAY_READ, MayChange
from gmail_warmup.web.standing import standing as look
from gmail_warmup.web.view import views

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)

_Value = TypeVar("_Value", Group, MailboxKind)
_Text = Annotated[str, Query(max_length=320)]


def _choice(kind: type[_Value], value: str) -> _Value | None:
    """Return the member with this value; a link with an unknown one lists everything instead of failing."""
    return next((member for member in kind if member.value == value), None)


@router.get("/")
def mailboxes(
    request: Request,
    context: CurrentContext,
    may_change: MayChange,
    state: _Text = "",
    kind: _Text = "",
    q: _Text = "",
    after: _Text = "",
    before: _Text = "",
    reauth: _Text = "",
) -> Response:
    """Show the mailboxes; with ``reauth`` the named one on top, for somebody who comes from a flagged task."""
    wanted = Wanted(
        group=_choice(Group, state), kind=_choice(MailboxKind, kind), search=q.strip(), after=after, before=before
    )
    services = context.services
    settings = services.settings
    with services.engine.begin() as connection:
        page = queries.page(connection, wanted, expiring_days=settings.expiring_days)
        counts = queries.counts(connection, expiring_days=settings.expiring_days)
        named = repository.find(connection, reauth) if reauth else None
        now = queries.now(connection)
        standing = look(connection)
        rows = views(connection, page.rows, now=now, settings=settings)
        focus = views(connection, [named], now=now, settings=settings) if named else []
    response = render.page(
        request,
        "mailboxes.html",
        rows=rows,
        counts=counts,
        standing=standing,
        wanted=wanted,
        focus=focus[0] if focus else None,
        missing=reauth if reauth and not focus else "",
        may_change=may_change,
        notice=notice.read(request),
        expiring_days=settings.expiring_days,
        next_query=_query(wanted, after=page.next_after),
        previous_query=_query(wanted, before=page.previous_before),
    )
    notice.clear(request, response)
    return response


def _query(wanted: Wanted, *, after: str | None = None, before: str | None = None) -> str:
    """Return the query of a neighbouring page, or the empty string if there is none."""
    if not (after or before):
        return ""
    given = {"state": wanted.group, "kind": wanted.kind, "q": wanted.search, "after": after, "before": before}
    return urlencode({key: str(value) for key, value in given.items() if value})
