"""The page of one mailbox: state, health, settings and history. It changes nothing: changes use the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.core.enums import BAND_LABELS, STATE_LABELS
from gmail_warmup.db import clock
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.db.paging import IdRange
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.addresses import is_consumer_address
from gmail_warmup.oauth.consent.invites import InviteQuery, fetch_invite_page
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ
from gmail_warmup.web.queries import grant_events, mailbox_days
from gmail_warmup.web.queries import mails as mail_queries
from gmail_warmup.web.views import domains, health, readiness, statistics
from gmail_warmup.web.views.mailbox import build_views
from gmail_warmup.web.views.schedules import build_mailbox_fields, find_ramp_cap

router = APIRouter(dependencies=READ, include_in_schema=False)

INVITES_SHOWN = 10
"""Number of invites on the page of a mailbox; the page of invites lists all of them."""

_RowId = Annotated[str, Query(max_length=20)]


@router.get("/mailboxes/{address:path}")
def show_mailbox(
    request: Request,
    address: str,
    context: CurrentContext,
    history_before: _RowId = "",
    mails_before: _RowId = "",
) -> Response:
    """Show one mailbox, or offer to add it if it does not exist."""
    services = context.services
    with read_transaction(services.engine) as connection:
        record = repository.find_mailbox(connection, address)
        if record is None:
            return render.render_page(request, "mailbox_missing.html", 404, missing=address)
        now = clock.get_current_time(connection)
        view = build_views(connection, [record], now=now, settings=services.settings)[0]
        warmup = record.kind is MailboxKind.WARMUP
        counted = warmup and not record.invalid  # a schedule that breaks a rule has no plan
        figures = statistics.load_mailbox_figures(connection, record, services.settings) if counted else None
        health_changes = health.load_health_changes(connection, record.id) if warmup else []
        ready = readiness.load_views(connection, [record.id], services.settings) if warmup else []
        dns_records = next(iter(domains.load_domains(connection, record.domain)), None) if warmup else None
        stopped = kill_switch.get_active_halt(connection)
        days = mailbox_days.load_days(connection, record, now=now)
        events = grant_events.load_events(connection, record, before=_parse_row_id(history_before))
        shown = IdRange(limit=INVITES_SHOWN)
        invites = fetch_invite_page(connection, InviteQuery(address=record.address, position=shown)).rows
        mails = mail_queries.load_mails(connection, record, before=_parse_row_id(mails_before))
    return render.render_page(
        request,
        "mailbox_page.html",
        mailbox=view,
        figures=figures,
        health_changes=health_changes,
        readiness=ready[0] if ready else None,
        domain=record.domain,
        is_consumer=is_consumer_address(record.address),
        dns_records=dns_records,
        dns_check=services.settings.dns_check,
        stopped=stopped,
        schedule=build_mailbox_fields(record, services.settings),
        ramp_cap=find_ramp_cap(record, services.settings),
        days=days,
        week=mailbox_days.sum_days(days[-7:]),
        month=mailbox_days.sum_days(days),
        events=events,
        labels=STATE_LABELS,
        bands=BAND_LABELS,
        invites=invites,
        mails=mails,
        older_history=bool(history_before),
        older_mails=bool(mails_before),
    )


def _parse_row_id(text: str) -> int | None:
    """Return the id of a row, or None for an invalid one: the page then shows the newest rows."""
    return int(text) if text.isascii() and text.isdecimal() and int(text) < 2**63 else None
