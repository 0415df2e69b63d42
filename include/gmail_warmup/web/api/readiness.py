"""Readiness for cold mail: which mailboxes may send it now, and how much."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import READINESS_LABELS, MailboxKind, ReadinessState
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Mailbox, OAuthGrant
from gmail_warmup.db.statement_cache import cache_statement
from gmail_warmup.mailboxes.validation import WHOLE_NUMBER
from gmail_warmup.warmup.readiness import store
from gmail_warmup.web.api.selection import FilterIn
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries.filters import MailboxFilter
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH
from gmail_warmup.web.views import readiness
from gmail_warmup.web.views.readiness import ReadinessView

router = APIRouter(tags=["readiness"])


class ReadinessIn(FilterIn):
    """Filter and position of a page."""

    after: str = Field("", max_length=MAX_TEXT_LENGTH, description="`next_after` of a page; empty for the first page.")
    limit: Annotated[int, Field(ge=1, le=1000), WHOLE_NUMBER] = 100


class ReadinessList(BaseModel):
    """Warmup mailboxes with their readiness, by address."""

    mailboxes: list[ReadinessView]
    cold_mails: int = Field(description="Sum of the mailboxes of this page.")
    next_after: str | None = Field(description="Pass it as `after` to get the next page; null on the last page.")


class DomainReadinessOut(BaseModel):
    """The readiness of the mailboxes of a domain."""

    model_config = ConfigDict(frozen=True)

    domain: str
    state: ReadinessState = Field(description="The best state of a mailbox of the domain.")
    label: str = Field(description="The state as text.")
    reason: str = Field(description="The most frequent reason code of the mailboxes in this state.")
    mailboxes: dict[ReadinessState, int] = Field(description="Number of mailboxes by state.")
    cold_mails: int = Field(description="Cold mails of all its ready mailboxes together.")


class DomainReadinessList(BaseModel):
    """The domains of warmup mailboxes with their readiness, by name."""

    domains: list[DomainReadinessOut]


@router.get("/readiness")
def list_readiness(context: CurrentContext, params: Annotated[ReadinessIn, Query()]) -> ReadinessList:
    """List warmup mailboxes with their readiness now.

    A sending tool calls it with `readiness=ready` before each campaign, and sends at most `cold_mails` from each
    mailbox on its `local_date`. The filter uses the state of the last DAG run; a mailbox that has left it
    since is left out.
    """
    services = context.services
    with read_transaction(services.engine) as connection:
        query = _select_page(params.to_filter(), services.settings.expiring_days)
        position = {"after": to_storable_text(params.after), "limit": params.limit + 1}
        rows = connection.execute(query, position).all()
        page = rows[: params.limit]
        views = readiness.load_views(connection, [row.id for row in page], services.settings)
    shown = [view for view in views if params.readiness in (None, view.state)]
    return ReadinessList(
        mailboxes=shown,
        cold_mails=sum(view.cold_mails for view in shown),
        next_after=page[-1].address if len(rows) > params.limit else None,
    )


@cache_statement
def _select_page(mailbox_filter: MailboxFilter, expiring_days: int) -> sa.Select[int, str]:
    """Return the query of the mailboxes after the address ``after``, at most ``limit``."""
    conditions = filters.build_conditions(mailbox_filter, expiring_days=expiring_days)
    query = sa.select(Mailbox.id, Mailbox.address).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    query = query.where(*conditions, Mailbox.kind == MailboxKind.WARMUP, Mailbox.address > sa.bindparam("after"))
    return query.order_by(Mailbox.address).limit(sa.bindparam("limit", type_=sa.Integer))


@router.get("/readiness/domains")
def list_domain_readiness(context: CurrentContext) -> DomainReadinessList:
    """List the domains of warmup mailboxes with their readiness, as of the last DAG run."""
    with read_transaction(context.services.engine) as connection:
        found = store.load_domain_readiness(connection)
    return DomainReadinessList(
        domains=[DomainReadinessOut(**vars(item), label=READINESS_LABELS[item.state]) for item in found]
    )
