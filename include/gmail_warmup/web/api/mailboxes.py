"""Mailboxes: list, look at, add, change, pause and resume them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gmail_warmup.db.models import MailboxKind
from gmail_warmup.errors import InvalidInputError
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.web import queries
from gmail_warmup.web.api.common import CHANGE, Address, Addresses, Body, Changed
from gmail_warmup.web.context import CurrentContext
from gmail_warmup.web.queries import Group, Wanted
from gmail_warmup.web.rights import UserName
from gmail_warmup.web.view import MailboxView, views

router = APIRouter(tags=["mailboxes"])


class MailboxList(BaseModel):
    """One page of mailboxes, by address."""

    mailboxes: list[MailboxView]
    next_after: str | None = Field(description="Give it as `after` to have the next page.")
    previous_before: str | None = Field(description="Give it as `before` to have the page before.")


class MailboxIn(Body):
    """A mailbox and its settings."""

    address: Address
    settings: MailboxSettings


class PauseIn(Body):
    """Mailboxes to be paused."""

    addresses: Addresses
    reason: str = Field("paused on the page", min_length=1, max_length=200)


class ResumeIn(Body):
    """Mailboxes to be resumed."""

    addresses: Addresses


@router.get("/mailboxes")
def list_mailboxes(
    context: CurrentContext,
    state: Annotated[Group | None, Query(description="Only mailboxes of this group.")] = None,
    kind: MailboxKind | None = None,
    q: Annotated[str, Query(max_length=200, description="Part of an address or name.")] = "",
    after: Annotated[str, Query(max_length=320)] = "",
    before: Annotated[str, Query(max_length=320)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = queries.PAGE,
) -> MailboxList:
    """List mailboxes by address, a page at a time."""
    services = context.services
    settings = services.settings
    wanted = Wanted(group=state, kind=kind, search=q.strip(), after=after, before=before, limit=limit)
    with services.engine.begin() as connection:
        page = queries.page(connection, wanted, expiring_days=settings.expiring_days)
        found = views(connection, page.rows, now=queries.now(connection), settings=settings)
    return MailboxList(mailboxes=found, next_after=page.next_after, previous_before=page.previous_before)


@router.get("/mailboxes/{address:path}")
def get_mailbox(address: str, context: CurrentContext) -> MailboxView:
    """Return one mailbox."""
    services = context.services
    with services.engine.begin() as connection:
        record = repository.get(connection, address)
        return views(connection, [record], now=queries.now(connection), settings=services.settings)[0]


@router.post("/mailboxes", dependencies=CHANGE)
def put_mailbox(body: MailboxIn, context: CurrentContext, user: UserName) -> MailboxView:
    """Add a mailbox, or change the settings of the one with this address.

    A mailbox added in this way has no grant yet; start a consent, or use it with `auth` delegated.
    """
    services = context.services
    with services.engine.begin() as connection:
        known = repository.find(connection, body.address)
        if known and known.auth is not body.settings.auth:
            raise InvalidInputError(
                f"{body.address} is reached by '{known.auth.value}'; that cannot be changed to "
                f"'{body.settings.auth.value}' here."
            )
        repository.add_or_update(connection, body.address, body.settings, actor=user)
        record = repository.get(connection, body.address)
        return views(connection, [record], now=queries.now(connection), settings=services.settings)[0]


@router.post("/mailboxes/pause", dependencies=CHANGE)
def pause(body: PauseIn, context: CurrentContext, user: UserName) -> Changed:
    """Pause mailboxes: no task touches them until they are resumed. All of them, or none if one is unknown."""
    with context.services.engine.begin() as connection:
        repository.by_addresses(connection, body.addresses)
        return Changed(changed=repository.pause(connection, body.addresses, actor=user, reason=body.reason))


@router.post("/mailboxes/resume", dependencies=CHANGE)
def resume(body: ResumeIn, context: CurrentContext) -> Changed:
    """Resume mailboxes. All of them, or none if one is unknown."""
    with context.services.engine.begin() as connection:
        repository.by_addresses(connection, body.addresses)
        return Changed(changed=repository.resume(connection, body.addresses))
