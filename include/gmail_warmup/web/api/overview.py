"""What concerns all mailboxes: counts, open incidents, the last audit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.web.api.halts import StoppedOut
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.queries import mailboxes
from gmail_warmup.web.views.domains import ClosedDomain
from gmail_warmup.web.views.overview import load_overview

router = APIRouter(tags=["standing"])


class CountsOut(BaseModel):
    """How many mailboxes are how; `expiring` are also among the valid ones, `paused` and the bands among all."""

    total: int
    valid: int
    needs_reauth: int
    blocked: int
    suspect: int
    expiring: int
    paused: int
    throttled: int = Field(description="Warmup mailboxes that their health lets send less.")
    health_paused: int = Field(description="Warmup mailboxes that their health lets rest.")
    health_blocked: int = Field(description="Warmup mailboxes that their health stopped, until a person has looked.")


class StandingOut(BaseModel):
    """What concerns many mailboxes at once."""

    model_config = ConfigDict(from_attributes=True)

    stopped: StoppedOut | None = Field(description="Who stopped everything; null while it runs.")
    closed: list[ClosedDomain] = Field(description="Domains that are not sent from, by name.")
    incidents: list[str] = Field(description="What is open: since when, what it is, and what to do.")
    advice: list[str] = Field(description="What the last audit advised.")
    audited_at: datetime | None = Field(description="When the last audit ended.")
    report: dict[str, Any] = Field(description="The report of the last audit; empty if there was none.")


@router.get("/counts")
def get_counts(context: CurrentContext) -> CountsOut:
    """Count the mailboxes by state."""
    services = context.services
    with services.engine.begin() as connection:
        found = mailboxes.count_by_group(connection, expiring_days=services.settings.expiring_days)
    return CountsOut.model_validate(found, from_attributes=True)


@router.get("/standing")
def get_standing(context: CurrentContext) -> StandingOut:
    """Return the halt, the open incidents, the domains that are not sent from, and the last audit with its report."""
    with context.services.engine.begin() as connection:
        found = load_overview(connection)
    return StandingOut.model_validate(found)
