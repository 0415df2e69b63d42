"""The page of one mailbox: how it is, what to do, its settings, its past. It changes nothing itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import is_consumer_address
from gmail_warmup.oauth.consent import invites as invite
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import MAY_READ, MayChange
from gmail_warmup.web.queries import history, mailboxes
from gmail_warmup.web.views import domains, health, statistics
from gmail_warmup.web.views.mailbox import STATE_LABELS, build_views

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)

INVITES_SHOWN = 10
"""So many of a mailbox's invites are shown; the page of invites has them all."""

_RowId = Annotated[str, Query(max_length=20)]


@router.get("/mailboxes/{address:path}")
def show_mailbox(
    request: Request,
    address: str,
    context: CurrentContext,
    may_change: MayChange,
    history_before: _RowId = "",
    mails_before: _RowId = "",
) -> Response:
    """Show one mailbox; an address that is none can be added from here."""
    services = context.services
    with services.engine.begin() as connection:
        record = repository.find_mailbox(connection, address)
        if record is None:
            return render.render_page(request, "mailbox_missing.html", 404, missing=address, may_change=may_change)
        now = mailboxes.database_time(connection)
        box = build_views(connection, [record], now=now, settings=services.settings)[0]
        warmup = record.kind is MailboxKind.WARMUP
        figures = statistics.load_mailbox_figures(connection, record, services.settings) if warmup else None
        health_changes = health.load_health_changes(connection, record.id) if warmup else []
        sending = next(iter(domains.load_domains(connection, record.domain)), None) if warmup else None
        stopped = kill_switch.get_active_halt(connection)
        days = history.load_days(connection, record, now=now)
        events = history.load_events(connection, record, before=_parse_row_id(history_before))
        invites = invite.fetch_invite_page(
            connection, invite.InviteQuery(address=record.address, limit=INVITES_SHOWN)
        ).rows
        mails = history.load_mails(connection, record, before=_parse_row_id(mails_before))
    return render.render_page(
        request,
        "mailbox_page.html",
        box=box,
        figures=figures,
        health_changes=health_changes,
        domain=record.domain,
        is_consumer=is_consumer_address(record.address),
        sending=sending,
        dns_check=services.settings.dns_check,
        stopped=stopped,
        days=days,
        week=history.sum_days(days[-7:]),
        month=history.sum_days(days),
        events=events,
        labels=STATE_LABELS,
        bands=health.BAND_LABELS,
        invites=invites,
        mails=mails,
        older_history=bool(history_before),
        older_mails=bool(mails_before),
        may_change=may_change,
    )


def _parse_row_id(text: str) -> int | None:
    """Return a row's number; a link with a wrong one shows the newest rows instead of failing."""
    return int(text) if text.isascii() and text.isdecimal() and int(text) < 2**63 else None
