"""The page of one mailbox: how it is, what to do, its settings, its past. It changes nothing itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import is_consumer
from gmail_warmup.oauth.consent import invites as invite
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import MAY_READ, MayChange
from gmail_warmup.web.queries import history, mailboxes
from gmail_warmup.web.views import domains, health, statistics
from gmail_warmup.web.views.mailbox import STATE_LABELS, views

router = APIRouter(dependencies=[MAY_READ], include_in_schema=False)

INVITES = 10
"""So many of a mailbox's invites are shown; the page of invites has them all."""

_Id = Annotated[str, Query(max_length=20)]


@router.get("/mailboxes/{address:path}")
def mailbox(
    request: Request,
    address: str,
    context: CurrentContext,
    may_change: MayChange,
    history_before: _Id = "",
    mails_before: _Id = "",
) -> Response:
    """Show one mailbox; an address that is none can be added from here."""
    services = context.services
    with services.engine.begin() as connection:
        record = repository.find(connection, address)
        if record is None:
            return render.page(request, "mailbox_missing.html", 404, missing=address, may_change=may_change)
        now = mailboxes.now(connection)
        box = views(connection, [record], now=now, settings=services.settings)[0]
        warmup = record.kind is MailboxKind.WARMUP
        figures = statistics.of_mailbox(connection, record, services.settings) if warmup else None
        health_changes = health.changes(connection, record.id) if warmup else []
        sending = next(iter(domains.domains(connection, record.domain)), None) if warmup else None
        stopped = kill_switch.current(connection)
        days = history.days(connection, record, now=now)
        events = history.events(connection, record, before=_id(history_before))
        invites = invite.page(connection, invite.Wanted(address=record.address, limit=INVITES)).rows
        mails = history.mails(connection, record, before=_id(mails_before))
    return render.page(
        request,
        "mailbox_page.html",
        box=box,
        figures=figures,
        health_changes=health_changes,
        domain=record.domain,
        is_consumer=is_consumer(record.address),
        sending=sending,
        dns_check=services.settings.dns_check,
        stopped=stopped,
        days=days,
        week=history.total(days[-7:]),
        month=history.total(days),
        events=events,
        labels=STATE_LABELS,
        bands=health.BAND_LABELS,
        invites=invites,
        mails=mails,
        older_history=bool(history_before),
        older_mails=bool(mails_before),
        may_change=may_change,
    )


def _id(text: str) -> int | None:
    """Return a row's number; a link with a wrong one shows the newest rows instead of failing."""
    return int(text) if text.isascii() and text.isdecimal() and int(text) < 2**63 else None
