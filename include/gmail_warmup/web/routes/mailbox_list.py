"""The pages that a person reads. They change nothing: every change goes through the API."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from gmail_warmup.mailboxes import repository
from gmail_warmup.web import flash, render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import MAY_READ, MayChange
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries import mailboxes as queries
from gmail_warmup.web.queries.filters import Filter
from gmail_warmup.web.queries.list_params import SIZES, Listing
from gmail_warmup.web.queries.mailboxes import Counts
from gmail_warmup.web.views.mailbox import views
from gmail_warmup.web.views.overview import standing as look

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)


@router.get("/")
def mailboxes(request: Request, context: CurrentContext, may_change: MayChange, reauth: str = "") -> Response:
    """Show the mailboxes; with ``reauth`` the named one on top, for somebody who comes from a flagged task."""
    here, services = Listing.read(request.query_params), context.services
    settings, days = services.settings, services.settings.expiring_days
    with services.engine.begin() as connection:
        page = queries.page(connection, here.wanted, expiring_days=days)
        counts = queries.counts(connection, expiring_days=days)
        matching = _matching(connection, here.filter, counts, expiring_days=days)
        named = repository.find(connection, reauth) if reauth else None
        now, standing = queries.now(connection), look(connection)
        rows = views(connection, page.rows, now=now, settings=settings)
        focus = views(connection, [named], now=now, settings=settings)[0] if named else None
    response = render.page(
        request,
        "mailboxes.html",
        here=here,
        sizes=SIZES,
        rows=rows,
        counts=counts,
        matching=matching,
        standing=standing,
        focus=focus,
        missing=reauth if reauth and not focus else "",
        may_change=may_change,
        notice=flash.read(request),
        expiring_days=days,
        next_link=here.link(after=page.next_after) if page.next_after else "",
        previous_link=here.link(before=page.previous_before) if page.previous_before else "",
    )
    flash.clear(request, response)
    return response


def _matching(connection: sa.Connection, chosen: Filter, counts: Counts, *, expiring_days: int) -> int:
    """Return how many mailboxes a filter lets through; counted only where the counters do not say it."""
    if not chosen:
        return counts.total
    if chosen.group and chosen == Filter(group=chosen.group):
        return int(getattr(counts, chosen.group))
    return filters.count(connection, chosen, expiring_days=expiring_days)
