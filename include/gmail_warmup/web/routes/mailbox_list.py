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
from gmail_warmup.web.queries.filters import MailboxFilter
from gmail_warmup.web.queries.list_params import PAGE_SIZES, ListParams
from gmail_warmup.web.queries.mailboxes import MailboxCounts
from gmail_warmup.web.views.mailbox import build_views
from gmail_warmup.web.views.overview import load_overview as look

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)


@router.get("/")
def show_mailboxes(request: Request, context: CurrentContext, may_change: MayChange, reauth: str = "") -> Response:
    """Show the mailboxes; with ``reauth`` the named one on top, for somebody who comes from a flagged task."""
    here, services = ListParams.from_query(request.query_params), context.services
    settings, days = services.settings, services.settings.expiring_days
    with services.engine.begin() as connection:
        page = queries.load_page(connection, here.mailbox_query, expiring_days=days)
        counts = queries.count_by_group(connection, expiring_days=days)
        matching = _count_matching(connection, here.filter, counts, expiring_days=days)
        named = repository.find_mailbox(connection, reauth) if reauth else None
        now, standing = queries.database_time(connection), look(connection)
        rows = build_views(connection, page.rows, now=now, settings=settings)
        focus = build_views(connection, [named], now=now, settings=settings)[0] if named else None
    response = render.render_page(
        request,
        "mailboxes.html",
        here=here,
        sizes=PAGE_SIZES,
        rows=rows,
        counts=counts,
        matching=matching,
        standing=standing,
        focus=focus,
        missing=reauth if reauth and not focus else "",
        may_change=may_change,
        notice=flash.read_flash(request),
        expiring_days=days,
        next_link=here.build_link(after=page.next_after) if page.next_after else "",
        previous_link=here.build_link(before=page.previous_before) if page.previous_before else "",
    )
    flash.clear_flash(request, response)
    return response


def _count_matching(
    connection: sa.Connection, chosen: MailboxFilter, counts: MailboxCounts, *, expiring_days: int
) -> int:
    """Return how many mailboxes a filter lets through; counted only where the counters do not say it."""
    if not chosen:
        return counts.total
    if chosen.group and chosen == MailboxFilter(group=chosen.group):
        return int(getattr(counts, chosen.group))
    return filters.count_mailboxes(connection, chosen, expiring_days=expiring_days)
