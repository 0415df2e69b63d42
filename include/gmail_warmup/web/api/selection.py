"""Which mailboxes a request is about: the list's filter, and the selection of a bulk change."""

from __future__ import annotations

from typing import Annotated, Self

import sqlalchemy as sa
from fastapi import HTTPException
from pydantic import BaseModel, Field, StringConstraints, model_validator

from gmail_warmup.core.errors import UnknownMailboxError
from gmail_warmup.db.models import Mailbox, MailboxKind
from gmail_warmup.mailboxes import repository
from gmail_warmup.web.api.schemas import Addresses, Body
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries.filters import Group, MailboxFilter

DEFAULT_SELECTION_LIMIT, MAX_SELECTION_LIMIT = 1000, 100_000

_Text = Annotated[str, StringConstraints(max_length=320, strip_whitespace=True)]


class FilterIn(BaseModel):
    """The list's filter; a mailbox meets all of it."""

    state: Group | None = Field(None, description="Only mailboxes of this group.")
    kind: MailboxKind | None = None
    domain: _Text = Field("", description="The whole domain, as in `example.com`.")
    q: _Text = Field("", description="Part of an address or of a name.")

    def to_filter(self) -> MailboxFilter:
        """Return it as the queries take it."""
        return MailboxFilter(group=self.state, kind=self.kind, domain=self.domain, search=self.q)


class BulkFilter(FilterIn, Body):
    """The list's filter in a body; without any member it stands for all mailboxes."""


class Selection(Body):
    """The mailboxes of a bulk change: either addresses, or what a filter lets through."""

    addresses: Addresses | None = None
    filter: BulkFilter | None = None
    at_most: int = Field(
        DEFAULT_SELECTION_LIMIT,
        ge=1,
        le=MAX_SELECTION_LIMIT,
        description="If the filter lets more through than this, nothing is changed.",
    )

    @model_validator(mode="after")
    def _require_exactly_one(self) -> Self:
        if (self.addresses is None) == (self.filter is None):
            raise ValueError("Name either addresses or a filter.")
        return self


def lock_mailboxes(connection: sa.Connection, selection: Selection, *, expiring_days: int) -> list[str]:
    """Lock the selected mailboxes until the transaction ends; return their addresses.

    Raises:
        UnknownMailboxError: naming every address that is not a mailbox.
        HTTPException: 409 if the filter lets more through than the client expects.
    """
    if selection.addresses is not None:
        wanted = sa.select(Mailbox.id).where(repository.has_address_in(selection.addresses))
        found = repository.lock_mailboxes(connection, wanted)
        if missing := set(selection.addresses) - set(found):
            raise UnknownMailboxError(*sorted(missing))
        return found
    assert selection.filter is not None
    found = repository.lock_mailboxes(
        connection, filters.select_ids(selection.filter.to_filter(), expiring_days=expiring_days)
    )
    if len(found) > selection.at_most:
        raise HTTPException(
            409,
            f"The filter lets {len(found):,} mailboxes through, more than the {selection.at_most:,} that were "
            "expected, so nothing was changed. Look at the list again.",
        )
    return found
