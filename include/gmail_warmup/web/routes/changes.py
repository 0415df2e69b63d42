"""The page of the change log."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.core.enums import CHANGE_LABELS, ChangeAction
from gmail_warmup.db import clock
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.warmup.reporting.change_text import describe_action, describe_name, describe_value
from gmail_warmup.warmup.reporting.changes import ChangeQuery, fetch_change_page
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ
from gmail_warmup.web.queries.list_params import parse_choice, parse_day
from gmail_warmup.web.routes import paging
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

router = APIRouter(dependencies=READ, include_in_schema=False)

_Text = Annotated[str, Query(max_length=MAX_TEXT_LENGTH)]


@router.get("/changes")
def show_changes(
    request: Request,
    context: CurrentContext,
    actor: _Text = "",
    action: _Text = "",
    mailbox: _Text = "",
    since: _Text = "",
    until: _Text = "",
    before: _Text = "",
    after: _Text = "",
) -> Response:
    """Show what people changed, newest first. An unknown value in the link is ignored."""
    first, last = parse_day(since), parse_day(until)
    query = ChangeQuery(
        actor=actor.strip(),
        action=parse_choice(ChangeAction, action),
        mailbox=mailbox.strip(),
        since=_start_of(first) if first else None,
        until=_start_of(last) + timedelta(days=1) if last else None,
        position=paging.parse_position(before, after),
    )
    with read_transaction(context.services.engine) as connection:
        now, page = clock.get_current_time(connection), fetch_change_page(connection, query)
    filters = {"actor": query.actor, "action": query.action, "mailbox": query.mailbox, "since": first, "until": last}
    return render.render_page(
        request,
        "changes.html",
        rows=page.rows,
        filters=filters,
        is_filtered=any(filters.values()),
        now=now,
        labels=CHANGE_LABELS,
        describe_action=describe_action,
        describe_name=describe_name,
        describe_value=describe_value,
        days=context.services.settings.change_log_days,
        **paging.build_page_queries(page, filters),
    )


def _start_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
