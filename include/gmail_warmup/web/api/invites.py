"""Invites: make, list and revoke the links for owners who have no Airflow login."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.core import urls
from gmail_warmup.core.enums import InviteState
from gmail_warmup.oauth.consent import invites as invite
from gmail_warmup.web.api.schemas import CHANGE_DEPENDENCIES, Addresses, Body
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import UserName
from gmail_warmup.web.queries.filters import to_storable_text

router = APIRouter(tags=["invites"])

InviteId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_PageEdge = Annotated[int | None, Query(ge=0, le=2**63 - 1)]


class InvitesIn(Body):
    """Mailboxes of which the owners are to sign in."""

    addresses: Addresses


class NewInviteOut(BaseModel):
    """An invite just made."""

    id: int
    address: str
    url: str = Field(description="The link for the mailbox's owner. It is shown this once; it is stored hashed.")
    expires_at: datetime


class NewInvites(BaseModel):
    """The invites just made."""

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
    """One page of invites, the newest first."""

    invites: list[InviteOut]
    older_before: int | None = Field(description="Give it as `before` to have the next page.")
    newer_after: int | None = Field(description="Give it as `after` to have the page before.")


class RevokeIn(Body):
    """An empty object."""


@router.post("/invites", dependencies=CHANGE_DEPENDENCIES)
def create_invites(body: InvitesIn, context: CurrentContext, user: UserName) -> NewInvites:
    """Make an invite for each of these mailboxes: all of them, or none if one is unknown or needs no consent."""
    services = context.services
    with services.engine.begin() as connection:
        made = invite.create_invites(connection, body.addresses, actor=user, days=services.settings.invite_days)
    return NewInvites(
        invites=[
            NewInviteOut(id=new.id, address=new.address, url=urls.invite_url(new.token), expires_at=new.expires_at)
            for new in made
        ]
    )


@router.get("/invites")
def list_invites(
    context: CurrentContext,
    address: Annotated[str, Query(max_length=320, description="Only those of this mailbox.")] = "",
    state: InviteState | None = None,
    before: _PageEdge = None,
    after: _PageEdge = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> InviteList:
    """List invites, the newest first, a page at a time."""
    wanted = invite.InviteQuery(
        address=to_storable_text(address.strip()), state=state, before=before, after=after, limit=limit
    )
    with context.services.engine.begin() as connection:
        page = invite.fetch_invite_page(connection, wanted)
    return InviteList(
        invites=[InviteOut.model_validate(row) for row in page.rows],
        older_before=page.older_before,
        newer_after=page.newer_after,
    )


@router.post("/invites/{invite_id}/revoke", dependencies=CHANGE_DEPENDENCIES)
def revoke_invite(invite_id: InviteId, body: RevokeIn, context: CurrentContext, user: UserName) -> InviteOut:
    """Revoke an invite: its link ends, and every consent that runs on it. One that is over already stays as it is."""
    with context.services.engine.begin() as connection:
        return InviteOut.model_validate(invite.revoke_invite(connection, invite_id, actor=user))
