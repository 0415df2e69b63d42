"""The kill switch: stop everything, and start again."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.web.api.schemas import CHANGE_DEPENDENCIES, Body, ReasonText
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import UserName

router = APIRouter(tags=["halt"])


class StopIn(Body):
    """Why everything is stopped."""

    reason: ReasonText = Field(description="Shown on every page and in every log until it is started again.")


class StartIn(Body):
    """An empty object."""


class StoppedOut(BaseModel):
    """A halt of everything."""

    model_config = ConfigDict(from_attributes=True)

    since: datetime
    by: str
    reason: str


class StopOut(BaseModel):
    """The halt that goes on."""

    newly: bool = Field(description="False if it was stopped already; then that halt goes on, with its own reason.")
    stopped: StoppedOut


class StartOut(BaseModel):
    """The halt that ended."""

    ended: StoppedOut | None = Field(description="Null if nothing was stopped.")


@router.post("/halt", dependencies=CHANGE_DEPENDENCIES)
def stop(body: StopIn, context: CurrentContext, user: UserName) -> StopOut:
    """Stop everything at once: no mailbox plans, claims, sends or reads until it is started again."""
    with context.services.engine.begin() as connection:
        newly = kill_switch.begin_halt(connection, by=user, reason=body.reason)
        stopped = kill_switch.get_active_halt(connection)
    return StopOut(newly=newly, stopped=StoppedOut.model_validate(stopped))


@router.post("/halt/end", dependencies=CHANGE_DEPENDENCIES)
def start(body: StartIn, context: CurrentContext, user: UserName) -> StartOut:
    """Start everything again; what is left of each day spreads over what is left of its hours."""
    with context.services.engine.begin() as connection:
        ended = kill_switch.end_halt(connection, by=user)
    return StartOut(ended=StoppedOut.model_validate(ended) if ended else None)
