"""Mailboxes: list, read, add, change, pause and resume them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gmail_warmup.airflow.services import Services
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db import clock
from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.mailboxes import bulk_edit as changes
from gmail_warmup.mailboxes import lookup, repository, tags
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.validation import DATE, WHOLE_NUMBER
from gmail_warmup.warmup.health import monitor
from gmail_warmup.web.api import selection
from gmail_warmup.web.api.schemas import Address, Addresses, Body, Changed, ReasonText
from gmail_warmup.web.api.selection import FilterIn, Selection
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, OPERATE, UserName
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries import mailboxes as queries
from gmail_warmup.web.queries.mailboxes import MailboxQuery
from gmail_warmup.web.queries.sorting import Cursor, Order
from gmail_warmup.web.views.mailbox import MailboxView, build_views

router = APIRouter(tags=["mailboxes"])

MAX_DOMAINS = 100


class ListIn(FilterIn):
    """Filter, order and position of a page."""

    sort: Order = Field(Order.ADDRESS, description="A minus sign means descending. Equal values are sorted by address.")
    after: str = Field("", max_length=1000, description="`next_after` of a page in the same order.")
    before: str = Field("", max_length=1000, description="`previous_before` of a page in the same order; `after` wins.")
    limit: Annotated[int, Field(ge=1, le=1000), WHOLE_NUMBER] = queries.DEFAULT_PAGE_SIZE

    def to_query(self) -> MailboxQuery:
        """Return filter, order and page for the queries."""
        return MailboxQuery(
            filter=self.to_filter(),
            order=self.sort,
            after=Cursor.parse(self.after, self.sort) if self.after else None,
            before=Cursor.parse(self.before, self.sort) if self.before else None,
            limit=self.limit,
        )


class MailboxList(BaseModel):
    """One page of mailboxes."""

    mailboxes: list[MailboxView]
    matching: int = Field(description="Number of mailboxes on all pages that match the filter.")
    next_after: str | None = Field(description="Pass it as `after` to get the next page; null on the last page.")
    previous_before: str | None = Field(description="Pass it as `before` to get the previous page; null on the first.")


class DomainOut(BaseModel):
    """A domain and its number of mailboxes."""

    domain: str
    mailboxes: int


class DomainList(BaseModel):
    """Domains of mailboxes, largest first."""

    domains: list[DomainOut]


class TagOut(BaseModel):
    """A tag and its number of mailboxes."""

    tag: str
    mailboxes: int


class TagList(BaseModel):
    """All tags, by name."""

    tags: list[TagOut]


class MailboxIn(Body):
    """A mailbox and its settings."""

    address: Address
    settings: MailboxSettings


class PauseIn(Selection):
    """Mailboxes to pause."""

    reason: ReasonText = "paused on the page"
    until: Annotated[date | None, DATE] = Field(
        None, description="Local date on which each of them is resumed automatically; null: when a person resumes it."
    )


class RequalifyIn(Body):
    """Mailboxes that their health paused or blocked."""

    addresses: Addresses


class ChangeIn(Selection):
    """Mailboxes to change, and the new settings."""

    changes: MailboxChanges


@router.get("/mailboxes")
def list_mailboxes(context: CurrentContext, params: Annotated[ListIn, Query()]) -> MailboxList:
    """List mailboxes in pages."""
    services, page_query = context.services, params.to_query()
    days = services.settings.expiring_days
    with read_transaction(services.engine) as connection:
        page = queries.load_page(connection, page_query, expiring_days=days)
        matching = filters.count_mailboxes(connection, page_query.filter, expiring_days=days)
        views = build_views(connection, page.rows, now=clock.get_current_time(connection), settings=services.settings)
    return MailboxList(
        mailboxes=views,
        matching=matching,
        next_after=page.next_after and str(page.next_after),
        previous_before=page.previous_before and str(page.previous_before),
    )


@router.get("/domains")
def list_domains(context: CurrentContext) -> DomainList:
    """List the hundred domains with the most mailboxes."""
    with read_transaction(context.services.engine) as connection:
        counts = queries.count_by_domain(connection, limit=MAX_DOMAINS)
    return DomainList(domains=[DomainOut(domain=item.domain, mailboxes=item.mailboxes) for item in counts])


@router.get("/tags")
def list_tags(context: CurrentContext) -> TagList:
    """List all tags with their numbers of mailboxes."""
    with read_transaction(context.services.engine) as connection:
        counts = tags.count_tags(connection)
    return TagList(tags=[TagOut(tag=item.tag, mailboxes=item.mailboxes) for item in counts])


@router.get("/mailboxes/{address:path}")
def get_mailbox(address: str, context: CurrentContext) -> MailboxView:
    """Return one mailbox."""
    services = context.services
    with read_transaction(services.engine) as connection:
        record = repository.get_mailbox(connection, address)
        return build_views(connection, [record], now=clock.get_current_time(connection), settings=services.settings)[0]


@router.post("/mailboxes", dependencies=ADMINISTER)
def put_mailbox(body: MailboxIn, context: CurrentContext, user: UserName) -> MailboxView:
    """Add a mailbox, or change the settings of an existing one.

    A new mailbox has no grant yet: start a consent, or use `auth` delegated.
    """
    services = context.services
    with write_transaction(services.engine) as connection:
        lookup.require_first_spelling(connection, [body.address])
        known = repository.find_mailbox(connection, body.address)
        if known and known.auth is not body.settings.auth:
            raise InvalidInputError(
                f"auth: {body.address} uses '{known.auth.value}'; it cannot be changed to "
                f"'{body.settings.auth.value}' here."
            )
        repository.add_or_update(connection, body.address, body.settings, actor=user)
        record = repository.get_mailbox(connection, body.address)
        return build_views(connection, [record], now=clock.get_current_time(connection), settings=services.settings)[0]


@router.post("/mailboxes/pause", dependencies=OPERATE)
def pause(body: PauseIn, context: CurrentContext, user: UserName) -> Changed:
    """Pause mailboxes: tasks skip them until a date, or until they are resumed.

    All or none: an unknown mailbox is an error, and so is a date that is not after today where one of them is.
    """

    def pause_all(connection: sa.Connection, addresses: Sequence[str]) -> int:
        return repository.pause_mailboxes(connection, addresses, actor=user, reason=body.reason, until=body.until)

    return _change_selected(context.services, body, pause_all)


@router.post("/mailboxes/resume", dependencies=OPERATE)
def resume(body: Selection, context: CurrentContext, user: UserName) -> Changed:
    """Resume mailboxes. All or none: an unknown mailbox is an error."""

    def resume_all(connection: sa.Connection, addresses: Sequence[str]) -> int:
        return repository.resume_mailboxes(connection, addresses, actor=user)

    return _change_selected(context.services, body, resume_all)


@router.post("/mailboxes/requalify", dependencies=OPERATE)
def requalify(body: RequalifyIn, context: CurrentContext, user: UserName) -> Changed:
    """Let mailboxes that their health paused or blocked send a small fresh sample from today on.

    Mail of earlier days no longer counts. All or none: an unknown mailbox is an error.
    """

    def requalify_all(connection: sa.Connection, addresses: Sequence[str]) -> int:
        return monitor.requalify_mailboxes(connection, addresses, actor=user)

    return _change_selected(context.services, Selection(addresses=body.addresses), requalify_all)


@router.post("/mailboxes/change", dependencies=ADMINISTER)
def change(body: ChangeIn, context: CurrentContext, user: UserName) -> Changed:
    """Change settings, owner and tags; grants, pauses and progress are kept.

    All or none: an unknown mailbox is an error.
    """

    def change_all(connection: sa.Connection, addresses: Sequence[str]) -> int:
        return changes.change_settings(connection, addresses, body.changes, actor=user)

    return _change_selected(context.services, body, change_all)


@retry_conflict
def _change_selected(
    services: Services, selected: Selection, change_all: Callable[[sa.Connection, Sequence[str]], int]
) -> Changed:
    with write_transaction(services.engine) as connection:
        addresses = selection.lock_changeable(connection, selected, expiring_days=services.settings.expiring_days)
        return Changed(changed=change_all(connection, addresses))
