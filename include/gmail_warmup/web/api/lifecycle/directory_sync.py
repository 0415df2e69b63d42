"""Synchronise delegated mailboxes with the directory of their Google Workspace: first shown, then applied."""

from __future__ import annotations

from typing import Self

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError

from gmail_warmup.transfer.directory.apply import apply_all, count_effects, select_shown
from gmail_warmup.transfer.directory.plan import SyncEffect, SyncEntry, make_plan
from gmail_warmup.transfer.directory.request import SyncRequest
from gmail_warmup.web.api.schemas import Body
from gmail_warmup.web.dependencies import AppContext, CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, UserName
from gmail_warmup.web.problems import internal_error

router = APIRouter(tags=["mailboxes"])

MAX_ENTRIES = 10_000
"""Maximum number of mailboxes in a response."""
READ_SECONDS = 45
"""Time limit for reading the directory: less than proxies wait for a response."""


class SyncIn(SyncRequest, Body):
    """The administrator that the service account acts for, the selected users, and settings of added mailboxes."""

    apply: bool = Field(False, description="Whether the changes are made; otherwise they are only shown.")


class SyncCounts(BaseModel):
    """Number of mailboxes and users by effect; those that failed are in `failed` alone."""

    add: int
    pause: int
    tag: int
    unchanged: int
    skipped: int
    failed: int


class SyncEntryOut(BaseModel):
    """A mailbox, or a user of the directory, and what is done with it."""

    model_config = ConfigDict(from_attributes=True)

    address: str
    effect: SyncEffect
    reason: str = Field(description="Why; empty if it needs no explanation.")
    error: str = Field(description="Why it could not be done, with the remedy; empty otherwise.")


class SyncOut(BaseModel):
    """What a synchronisation would do, or has done."""

    applied: bool
    counts: SyncCounts
    mailboxes: list[SyncEntryOut] = Field(
        description=f"At most {MAX_ENTRIES:,}, those that failed first; without those that stay as they are."
    )
    more: int = Field(description="Number of mailboxes that are not in `mailboxes`, although something is done.")

    @classmethod
    def from_entries(cls, entries: list[SyncEntry], *, applied: bool) -> Self:
        """Convert the entries of a plan, or of what was done."""
        shown = sorted(select_shown(entries), key=lambda entry: not entry.error)
        return cls(
            applied=applied,
            counts=SyncCounts.model_validate(count_effects(entries)),
            mailboxes=[SyncEntryOut.model_validate(entry) for entry in shown[:MAX_ENTRIES]],
            more=max(0, len(shown) - MAX_ENTRIES),
        )


@router.post("/mailboxes/sync", dependencies=ADMINISTER)
def sync_mailboxes(body: SyncIn, context: CurrentContext, user: UserName) -> SyncOut:
    """Compare the users of a Google Workspace with its delegated mailboxes, which are added, paused and tagged.

    Without `apply` nothing is changed. With it the directory is read again, and the response says what was done.
    """
    services = context.services
    with services.open_directory(body.admin, with_groups=bool(body.groups), time_limit=READ_SECONDS) as directory:
        entries = make_plan(services.engine, directory, body)
    if body.apply:
        entries = _apply(context, entries, tag=body.tag, actor=user)
    return SyncOut.from_entries(entries, applied=body.apply)


def _apply(context: AppContext, entries: list[SyncEntry], *, tag: str, actor: str) -> list[SyncEntry]:
    """Apply the entries; if the database fails, say how far it came."""
    progress: list[str] = []
    try:
        return apply_all(context.services.engine, entries, actor=actor, tag=tag, on_stop=progress.append)
    except DBAPIError as error:
        cause = context.diagnose_failure() or internal_error(error).detail
        raise HTTPException(500, f"{progress[0]} {cause}") from None
