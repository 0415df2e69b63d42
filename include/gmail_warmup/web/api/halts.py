"""The kill switch: stop all mailboxes and start them again."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.db.engine import write_transaction
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.web.api.schemas import Body, ReasonText
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import OPERATE, UserName

router = APIRouter(tags=["halt"])


class StopIn(Body):
    """The reason for stopping everything."""

    reason: ReasonText = Field(description="Shown on every page and in every log while everything is stopped.")


class StartIn(Body):
    """An empty object."""


class StoppedOut(BaseModel):
    """An active or ended stop of everything."""

    model_config = ConfigDict(from_attributes=True)

    since: datetime
    by: str
    reason: str


class StopOut(BaseModel):
    """The active stop."""

    newly: bool = Field(description="False if everything was already stopped; the earlier stop and its reason remain.")
    stopped: StoppedOut


class StartOut(BaseModel):
    """The stop that ended."""

    ended: StoppedOut | None = Field(description="Null if nothing was stopped.")


@router.post("/halt", dependencies=OPERATE)
def stop(body: StopIn, context: CurrentContext, user: UserName) -> StopOut:
    """Stop everything immediately: no mailbox plans, claims, sends or reads until it is started again."""
    with write_transaction(context.services.engine) as connection:
        newly = kill_switch.begin_halt(connection, by=user, reason=body.reason)
        stopped = kill_switch.get_active_halt(connection)
    return StopOut(newly=newly, stopped=StoppedOut.model_validate(stopped))


@router.post("/halt/end", dependencies=OPERATE)
def start(body: StartIn, context: CurrentContext, user: UserName) -> StartOut:
    """Start everything again. The remaining mails of each day are spread over its remaining hours."""
    with write_transaction(context.services.engine) as connection:
        ended = kill_switch.end_halt(connection, by=user)
    return StartOut(ended=StoppedOut.model_validate(ended) if ended else None)
