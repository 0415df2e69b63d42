"""Invites: create, list and revoke links for owners without an Airflow login."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.core.enums import InviteState
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.paging import DEFAULT_PAGE_LIMIT, IdRange
from gmail_warmup.oauth.consent import invites as invite
from gmail_warmup.web.api.schemas import Addresses, Body, PageEdge, PageLimit
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import OPERATE, UserName
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

router = APIRouter(tags=["invites"])

InviteId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class InvitesIn(Body):
    """Mailboxes whose owners are invited to sign in."""

    addresses: Addresses


class NewInviteOut(BaseModel):
    """A new invite."""

    id: int
    address: str
    url: str = Field(description="Link for the owner; returned only once, because only its hash is stored.")
    expires_at: datetime


class NewInvites(BaseModel):
    """New invites."""

    invites: list[NewInviteOut]


class InviteOut(BaseModel):
    """An invite, without its link."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    address: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    state: InviteState


class InviteList(BaseModel):
    """One page of invites, newest first."""

    invites: list[InviteOut]
    older_before: int | None = Field(description="Pass it as `before` to get the next page.")
    newer_after: int | None = Field(description="Pass it as `after` to get the previous page.")


class RevokeIn(Body):
    """An empty object."""


@router.post("/invites", dependencies=OPERATE)
def create_invites(body: InvitesIn, context: CurrentContext, user: UserName) -> NewInvites:
    """Create an invite for each of these mailboxes. All or none: an unknown or delegated mailbox is an error."""
    services = context.services
    with write_transaction(services.engine) as connection:
        created = invite.create_invites(connection, body.addresses, actor=user, days=services.settings.invite_days)
    urls = load_urls()
    return NewInvites(
        invites=[
            NewInviteOut(id=new.id, address=new.address, url=urls.invite_url(new.token), expires_at=new.expires_at)
            for new in created
        ]
    )


@router.get("/invites")
def list_invites(
    context: CurrentContext,
    address: Annotated[str, Query(max_length=MAX_TEXT_LENGTH, description="Only invites for this mailbox.")] = "",
    state: InviteState | None = None,
    before: PageEdge = None,
    after: PageEdge = None,
    limit: PageLimit = DEFAULT_PAGE_LIMIT,
) -> InviteList:
    """List invites, newest first, in pages."""
    position = IdRange(before=before, after=after, limit=limit)
    query = invite.InviteQuery(address=address.strip(), state=state, position=position)
    with read_transaction(context.services.engine) as connection:
        page = invite.fetch_invite_page(connection, query)
    return InviteList(
        invites=[InviteOut.model_validate(row) for row in page.rows],
        older_before=page.older_before,
        newer_after=page.newer_after,
    )


@router.post("/invites/{invite_id}/revoke", dependencies=OPERATE)
def revoke_invite(invite_id: InviteId, body: RevokeIn, context: CurrentContext, user: UserName) -> InviteOut:
    """Revoke an invite: invalidate its link and its unfinished consents. Ended invites remain unchanged."""
    with write_transaction(context.services.engine) as connection:
        return InviteOut.model_validate(invite.revoke_invite(connection, invite_id, actor=user))
