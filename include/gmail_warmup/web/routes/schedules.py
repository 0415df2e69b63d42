"""The pages of the schedules of tags. They change nothing: changes use the API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.db.engine import read_transaction
from gmail_warmup.mailboxes import tags
from gmail_warmup.mailboxes.schedules import store
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ
from gmail_warmup.web.views.schedules import build_tag_fields, describe_values

router = APIRouter(dependencies=READ, include_in_schema=False)


@router.get("/schedules")
def show_schedules(request: Request, context: CurrentContext) -> Response:
    """List the tags with what they set."""
    services = context.services
    with read_transaction(services.engine) as connection:
        counts = {item.tag: item.mailboxes for item in tags.count_tags(connection)}
        found = store.list_tag_schedules(connection)
    rows = [
        (tag, counts.get(tag, 0), describe_values(found.get(tag, {}))) for tag in sorted(counts.keys() | found.keys())
    ]
    fields = build_tag_fields({}, services.settings)
    return render.render_page(request, "schedules.html", rows=rows, fields=fields)


@router.get("/schedules/{tag:path}")
def show_tag_schedule(request: Request, tag: str, context: CurrentContext) -> Response:
    """Show the schedule of one tag."""
    services, name = context.services, tags.normalize_tag(tag)
    with read_transaction(services.engine) as connection:
        values = store.get_tag_schedule(connection, name)
        mailboxes = tags.count_mailboxes(connection, name)
    return render.render_page(
        request,
        "tag_schedule.html",
        tag=name,
        mailboxes=mailboxes,
        fields=build_tag_fields(values, services.settings),
    )
