"""One mailbox over time: its days, the history of its grant, its mails.

An address may hold a slash, so these routes come before the one that takes the rest of the path for an address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes import repository
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.queries import history, mailboxes
from gmail_warmup.web.queries.history import Day, Events, Mails

router = APIRouter(tags=["mailboxes"])

BeforeId = Annotated[
    int | None, Query(ge=1, le=2**63 - 1, description="Only what is older than the one with this id; an own one.")
]


class Days(BaseModel):
    """A mailbox's last days."""

    kind: MailboxKind = Field(description="A warmup mailbox has what it sent, a pool mailbox what it received.")
    timezone: str = Field(description="The zone that the days are in.")
    days: list[Day] = Field(description="The oldest first; the last is today.")


@router.get("/mailboxes/{address:path}/days")
def get_days(
    address: str, context: CurrentContext, days: Annotated[int, Query(ge=1, le=366)] = history.DEFAULT_DAYS
) -> Days:
    """Return what became of a mailbox's mails, day by day."""
    with context.services.engine.begin() as connection:
        record = repository.get_mailbox(connection, address)
        found = history.load_days(connection, record, now=mailboxes.database_time(connection), count=days)
    return Days(kind=record.kind, timezone=record.timezone, days=found)


@router.get("/mailboxes/{address:path}/history")
def get_history(address: str, context: CurrentContext, before: BeforeId = None) -> Events:
    """Return the history of a mailbox's grant, ten transitions at a time, the newest first."""
    with context.services.engine.begin() as connection:
        return history.load_events(connection, repository.get_mailbox(connection, address), before=before)


@router.get("/mailboxes/{address:path}/mails")
def get_mails(address: str, context: CurrentContext, before: BeforeId = None) -> Mails:
    """Return the mails that a mailbox sent and received, fifty at a time, the newest first."""
    with context.services.engine.begin() as connection:
        return history.load_mails(connection, repository.get_mailbox(connection, address), before=before)
