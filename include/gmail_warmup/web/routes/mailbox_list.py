"""The page that lists mailboxes. It changes nothing: changes use the API."""

from __future__ import annotations

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from gmail_warmup.core import urls
from gmail_warmup.core.enums import READINESS_LABELS
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.mailboxes import repository
from gmail_warmup.oauth.clients.names import load_client_names
from gmail_warmup.oauth.consent import repair_queue
from gmail_warmup.oauth.consent.repair_queue import RepairQueue
from gmail_warmup.web import flash, render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ, UserName
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries import mailboxes as queries
from gmail_warmup.web.queries.columns import (
    COLUMNS,
    COLUMNS_COOKIE,
    DEFAULT_COLUMNS,
    Column,
    format_columns,
    parse_columns,
)
from gmail_warmup.web.queries.filters import Group, MailboxFilter
from gmail_warmup.web.queries.list_params import PAGE_SIZES, ListParams
from gmail_warmup.web.queries.mailboxes import MailboxCounts
from gmail_warmup.web.views.mailbox import build_views
from gmail_warmup.web.views.overview import load_overview
from gmail_warmup.web.views.schedules import FIELDS

router = APIRouter(dependencies=READ, include_in_schema=False)


@router.get(urls.LIST_PATH)
def show_mailboxes(request: Request, context: CurrentContext, user: UserName, reauth: str = "") -> Response:
    """List mailboxes. ``reauth`` puts one mailbox on top: the link of a flagged task instance sets it."""
    params, services = ListParams.from_query(request.query_params), context.services
    settings, days = services.settings, services.settings.expiring_days
    with read_transaction(services.engine) as connection:
        page = queries.load_page(connection, params.mailbox_query, expiring_days=days)
        counts = queries.count_by_group(connection, expiring_days=days)
        matching = _count_matching(connection, params.filter, counts, expiring_days=days)
        queue = repair_queue.load_queue(connection, user) if counts.needs_reauth else RepairQueue()
        named = repository.find_mailbox(connection, reauth) if reauth else None
        overview = load_overview(connection)
        rows = build_views(connection, page.rows, now=overview.at, settings=settings)
        focus = build_views(connection, [named], now=overview.at, settings=settings)[0] if named else None
        clients = sorted(load_client_names(connection).values())
    response = render.render_page(
        request,
        "mailboxes.html",
        params=params,
        sizes=PAGE_SIZES,
        now=overview.at,
        columns=COLUMNS,
        shown=_choose_columns(request, params),
        default_columns=format_columns(DEFAULT_COLUMNS),
        rows=rows,
        counts=counts,
        matching=matching,
        to_repair=matching if params.state is Group.NEEDS_REAUTH else 0 if params.filter else counts.needs_reauth,
        queue=queue,
        max_queue=repair_queue.MAX_QUEUE_LENGTH,
        clients=clients,
        overview=overview,
        focus=focus,
        missing=reauth if reauth and not focus else "",
        notice=flash.read_flash(request),
        expiring_days=days,
        readiness_labels=READINESS_LABELS,
        schedule_fields=FIELDS,
        next_link=params.build_link(after=page.next_after) if page.next_after else "",
        previous_link=params.build_link(before=page.previous_before) if page.previous_before else "",
    )
    flash.clear_flash(request, response)
    return response


def _choose_columns(request: Request, params: ListParams) -> tuple[Column, ...]:
    """Return the columns of the URL, of the browser's cookie, or the default."""
    if params.columns is not None:
        return params.columns
    remembered = parse_columns(request.cookies.get(COLUMNS_COOKIE, ""))
    return DEFAULT_COLUMNS if remembered is None else remembered


def _count_matching(
    connection: sa.Connection, mailbox_filter: MailboxFilter, counts: MailboxCounts, *, expiring_days: int
) -> int:
    """Return how many mailboxes match a filter. Query the database only if the counters do not contain the number."""
    if not mailbox_filter:
        return counts.total
    if mailbox_filter.group and mailbox_filter == MailboxFilter(group=mailbox_filter.group):
        return int(getattr(counts, mailbox_filter.group))
    return filters.count_mailboxes(connection, mailbox_filter, expiring_days=expiring_days)
