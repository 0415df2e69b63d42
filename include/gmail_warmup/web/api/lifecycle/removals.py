"""Removals of mailboxes: begin them, list them with their receipts, continue one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.airflow.services import Services
from gmail_warmup.core.enums import RemovalStep
from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.mailboxes import removals
from gmail_warmup.mailboxes.removals import Removal
from gmail_warmup.warmup.removal.run import continue_removal
from gmail_warmup.warmup.removal.text import describe_removal
from gmail_warmup.web.api import selection
from gmail_warmup.web.api.schemas import Body, Confirmation
from gmail_warmup.web.api.selection import Selection
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, UserName

router = APIRouter(tags=["mailboxes"])

_BUDGET_SECONDS = 10.0
"""Time after which a request begins no further removal; gmail_monitor continues the others."""


class RemoveIn(Selection):
    """Mailboxes to remove, and what happens at Google."""

    revoke_grant: bool = Field(
        False,
        description="Revoke the grant. Google ends every grant of the account for the Google Cloud project of the "
        "OAuth client.",
    )
    trash_mail: bool = Field(False, description="Move the warmup mail of the mailbox to its trash.")
    confirmation: Confirmation


class ContinueIn(Body):
    """Nothing to choose."""


class RemovalOut(BaseModel):
    """The state of a removal; of a finished one the receipt, without the address."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    address: str | None = Field(description="Null once the mailbox is gone.")
    requested_at: datetime
    requested_by: str
    revoke_grant: bool
    trash_mail: bool
    step: RemovalStep = Field(description="The next step.")
    problem: str | None = Field(description="Reason code: why the last attempt did not finish the step.")
    next_try_at: datetime
    trashed: int = Field(description="Number of messages moved to the trash.")
    trash_outcome: str | None = Field(description="`done`, or the reason code why messages stay.")
    revoke_outcome: str | None = Field(description="`done`, or the reason code why the grant was not revoked.")
    receipt: dict[str, dict[str, int]] = Field(description="Rows by what happened to them and by table.")
    finished_at: datetime | None
    description: str = Field(description="The state as sentences.")

    @classmethod
    def from_removal(cls, removal: Removal) -> RemovalOut:
        """Convert a removal."""
        values = {name: getattr(removal, name) for name in cls.model_fields if name != "description"}
        return cls(**values, description=describe_removal(removal))


class RemovalList(BaseModel):
    """Removals: those in progress first, then the receipts, newest first."""

    removals: list[RemovalOut]

    @classmethod
    def from_removals(cls, found: Sequence[Removal]) -> RemovalList:
        """Convert removals."""
        return cls(removals=[RemovalOut.from_removal(removal) for removal in found])


@router.get("/removals")
def list_removals(context: CurrentContext) -> RemovalList:
    """List the removals in progress and the last receipts, at most a hundred."""
    with read_transaction(context.services.engine) as connection:
        return RemovalList.from_removals(removals.list_removals(connection))


@router.post("/mailboxes/remove", dependencies=ADMINISTER)
def remove(body: RemoveIn, context: CurrentContext, user: UserName) -> RemovalList:
    """Delete everything that is stored about mailboxes. It cannot be undone.

    All or none are begun: an unknown mailbox or another confirmation is an error. What has to wait, for a task or for
    Google, is continued by gmail_monitor: `step` says how far each is.
    """
    services = context.services
    ids = _request(services, body, user)
    ends = time.monotonic() + _BUDGET_SECONDS
    for removal_id in ids:
        if time.monotonic() < ends:
            continue_removal(services.removal_tools, removal_id, ends=ends)
    with read_transaction(services.engine) as connection:
        return RemovalList.from_removals(removals.get_removals(connection, ids))


@retry_conflict
def _request(services: Services, body: RemoveIn, user: str) -> list[int]:
    with write_transaction(services.engine) as connection:
        named = selection.lock_mailboxes(connection, body, expiring_days=services.settings.expiring_days)
        removals.require_confirmation(named, body.confirmation)
        return removals.request_removals(
            connection, named, revoke_grant=body.revoke_grant, trash_mail=body.trash_mail, actor=user
        )


@router.post("/removals/{removal_id}/continue", dependencies=ADMINISTER)
def go_on(
    body: ContinueIn, removal_id: Annotated[int, Path(ge=1, le=2**63 - 1)], context: CurrentContext
) -> RemovalOut:
    """Continue a removal now, instead of with the next run of gmail_monitor."""
    ends = time.monotonic() + _BUDGET_SECONDS
    return RemovalOut.from_removal(continue_removal(context.services.removal_tools, removal_id, ends=ends))
