"""Selection of mailboxes in requests: the filter of the list, and the target of a bulk change."""

from __future__ import annotations

from typing import Annotated, Self

import sqlalchemy as sa
from fastapi import HTTPException
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from gmail_warmup.db import locks
from gmail_warmup.db.models import Mailbox, MailboxKind, ReadinessState
from gmail_warmup.mailboxes import lookup, removals
from gmail_warmup.mailboxes.addresses import normalize_sought_contact
from gmail_warmup.mailboxes.tags import normalize_tag
from gmail_warmup.mailboxes.validation import WHOLE_NUMBER
from gmail_warmup.web.api.schemas import Addresses, Body
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries.filters import Group, MailboxFilter
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

DEFAULT_SELECTION_LIMIT, MAX_SELECTION_LIMIT = 1000, 100_000

_Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_LENGTH, strip_whitespace=True)]
TagText = Annotated[str, AfterValidator(lambda text: normalize_tag(text) if text else text)]
OwnerText = Annotated[str, AfterValidator(lambda text: normalize_sought_contact(text) if text else text)]


class FilterIn(BaseModel):
    """Filter of the list; a mailbox has to meet all conditions."""

    state: Group | None = Field(None, description="Only mailboxes of this group.")
    kind: MailboxKind | None = None
    readiness: ReadinessState | None = Field(None, description="Only warmup mailboxes in this state.")
    domain: _Text = Field("", description="The full domain, such as `example.com`.")
    tag: TagText = Field("", description="Only mailboxes with this tag.")
    owner: OwnerText = Field("", description="Only mailboxes of this owner: the whole mail address.")
    client: _Text = Field("", description="Only mailboxes whose grant is of the OAuth client with this Connection.")
    q: _Text = Field("", description="Part of an address or name.")

    def to_filter(self) -> MailboxFilter:
        """Return the filter for the queries."""
        return MailboxFilter(
            group=self.state,
            kind=self.kind,
            readiness=self.readiness,
            domain=self.domain,
            tag=self.tag,
            owner=self.owner,
            client=self.client,
            search=self.q,
        )


class BulkFilter(FilterIn, Body):
    """Filter of the list in a request body; an empty object selects all mailboxes."""


class Target(Body):
    """Mailboxes: either addresses or a filter."""

    addresses: Addresses | None = None
    filter: BulkFilter | None = None

    @model_validator(mode="after")
    def _require_exactly_one(self) -> Self:
        if (self.addresses is None) == (self.filter is None):
            raise ValueError("Pass either addresses or a filter.")
        return self


class Selection(Target):
    """Mailboxes of a bulk change: either addresses or a filter."""

    at_most: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_SELECTION_LIMIT,
            description="Nothing is changed if the filter matches more mailboxes than this.",
        ),
        WHOLE_NUMBER,
    ] = DEFAULT_SELECTION_LIMIT


def lock_changeable(connection: sa.Connection, selection: Selection, *, expiring_days: int) -> list[str]:
    """Lock the selected mailboxes for a change like ``lock_mailboxes``; return their addresses.

    A named mailbox that is being removed is an error. Every change leaves out one that a filter matches.

    Raises:
        MailboxBeingRemovedError: naming it.
    """
    locked = lock_mailboxes(connection, selection, expiring_days=expiring_days)
    if selection.addresses is not None:
        removals.require_kept(connection, locked)
    return locked


def lock_mailboxes(connection: sa.Connection, selection: Selection, *, expiring_days: int) -> list[str]:
    """Lock the selected mailboxes until the transaction ends; return their addresses.

    Raises:
        UnknownMailboxError: with every address that is not a mailbox.
        HTTPException: 409 if the filter matches more mailboxes than the client expects.
    """
    if selection.addresses is not None:
        ids = [mailbox.id for mailbox in lookup.require_mailboxes(connection, selection.addresses)]
        return _lock_addresses(connection, lookup.has_id_in(ids))
    assert selection.filter is not None
    matching = filters.select_ids(selection.filter.to_filter(), expiring_days=expiring_days)
    locked = _lock_addresses(connection, Mailbox.id.in_(matching))
    if len(locked) > selection.at_most:
        raise HTTPException(
            409,
            f"The filter matches {len(locked):,} mailboxes, more than the expected {selection.at_most:,}. Nothing was "
            "changed. Reload the list.",
        )
    return locked


def _lock_addresses(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[str]:
    is_locked = lookup.has_id_in(locks.lock_mailboxes(connection, condition))
    return list(connection.scalars(sa.select(Mailbox.address).where(is_locked).order_by(Mailbox.id)))
