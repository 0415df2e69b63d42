"""History of one mailbox: daily counts, transitions of the grant, mails.

An address may contain a slash, so these routes precede the one that reads the rest of the path as an address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gmail_warmup.db import clock
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.validation import WHOLE_NUMBER
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.queries import grant_events, mailbox_days, mails
from gmail_warmup.web.queries.grant_events import Events
from gmail_warmup.web.queries.mailbox_days import Day
from gmail_warmup.web.queries.mails import Mails

router = APIRouter(tags=["mailboxes"])

BeforeId = Annotated[
    int | None,
    Query(ge=1, le=2**63 - 1, description="Return only entries older than the one with this id."),
    WHOLE_NUMBER,
]


class Days(BaseModel):
    """The last days of a mailbox."""

    kind: MailboxKind = Field(description="Warmup mailboxes have counts of sent mails, pool mailboxes of received.")
    timezone: str = Field(description="Time zone of the days.")
    days: list[Day] = Field(description="Oldest first; the last one is today.")


@router.get("/mailboxes/{address:path}/days")
def get_days(
    address: str,
    context: CurrentContext,
    days: Annotated[int, Query(ge=1, le=366), WHOLE_NUMBER] = mailbox_days.DEFAULT_DAYS,
) -> Days:
    """Return the daily mail counts of a mailbox."""
    with read_transaction(context.services.engine) as connection:
        record = repository.get_mailbox(connection, address)
        loaded = mailbox_days.load_days(connection, record, now=clock.get_current_time(connection), count=days)
    return Days(kind=record.kind, timezone=record.timezone, days=loaded)


@router.get("/mailboxes/{address:path}/history")
def get_history(address: str, context: CurrentContext, before: BeforeId = None) -> Events:
    """Return the history of a mailbox's grant, newest first, ten transitions per page."""
    with read_transaction(context.services.engine) as connection:
        return grant_events.load_events(connection, repository.get_mailbox(connection, address), before=before)


@router.get("/mailboxes/{address:path}/mails")
def get_mails(address: str, context: CurrentContext, before: BeforeId = None) -> Mails:
    """Return the mails that a mailbox sent and received, newest first, fifty per page."""
    with read_transaction(context.services.engine) as connection:
        return mails.load_mails(connection, repository.get_mailbox(connection, address), before=before)
