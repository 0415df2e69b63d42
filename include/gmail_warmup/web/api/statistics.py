"""Statistics of warmup mailboxes, the history of their health, and the records of their domains.

An address may hold a slash, so these routes come before the one that takes the rest of the path for an address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import MailboxKind
from gmail_warmup.mailboxes import repository
from gmail_warmup.warmup.reporting.statistics import DEFAULT_DAYS
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.queries.filters import to_storable_text
from gmail_warmup.web.views import domains, health, statistics
from gmail_warmup.web.views.domains import Domain
from gmail_warmup.web.views.health import HealthChange
from gmail_warmup.web.views.statistics import MailboxFigures, TotalFigures

router = APIRouter(tags=["statistics"])

DayCount = Annotated[int, Query(ge=1, le=366, description="Local days, today included.")]


class HealthHistory(BaseModel):
    """Changes of a mailbox's health band."""

    history: list[HealthChange] = Field(description="The newest first, 50 at most.")


class DnsOut(BaseModel):
    """The sending domains that were looked at."""

    domains: list[Domain]


@router.get("/statistics")
def get_statistics(context: CurrentContext, days: DayCount = DEFAULT_DAYS) -> TotalFigures:
    """Return what became of the mails of all warmup mailboxes."""
    with context.services.engine.begin() as connection:
        return statistics.load_total_figures(connection, days=days)


@router.get("/mailboxes/{address:path}/statistics")
def get_mailbox_statistics(address: str, context: CurrentContext, days: DayCount = DEFAULT_DAYS) -> MailboxFigures:
    """Return what became of the mails of one warmup mailbox, with its ramp, its health and its score."""
    services = context.services
    with services.engine.begin() as connection:
        record = repository.get_mailbox(connection, address)
        if record.kind is not MailboxKind.WARMUP:
            raise InvalidInputError(f"{record.address} is a pool mailbox; statistics are of those that are warmed up.")
        return statistics.load_mailbox_figures(connection, record, services.settings, days=days)


@router.get("/mailboxes/{address:path}/health")
def get_health(address: str, context: CurrentContext) -> HealthHistory:
    """Return how a mailbox's health band changed."""
    with context.services.engine.begin() as connection:
        record = repository.get_mailbox(connection, address)
        return HealthHistory(history=health.load_health_changes(connection, record.id, limit=50))


@router.get("/dns")
def get_dns(
    context: CurrentContext, domain: Annotated[str, Query(max_length=255, description="This domain alone.")] = ""
) -> DnsOut:
    """Return SPF, DKIM and DMARC of the sending domains as they were last looked at; nothing is looked up now."""
    with context.services.engine.begin() as connection:
        return DnsOut(domains=domains.load_domains(connection, to_storable_text(domain.strip().lower()) or None))
