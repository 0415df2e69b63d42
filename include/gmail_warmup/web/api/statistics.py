"""Statistics of warmup mailboxes, the history of their health, and the DNS records of their domains.

An address may contain a slash, so these routes precede the one that reads the rest of the path as an address.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gmail_warmup.db.engine import read_transaction
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.addresses import normalize_domain
from gmail_warmup.mailboxes.validation import WHOLE_NUMBER
from gmail_warmup.warmup.reporting.counts import DEFAULT_DAYS
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH
from gmail_warmup.web.views import domains, health, statistics
from gmail_warmup.web.views.domains import Domain
from gmail_warmup.web.views.health import HealthChange
from gmail_warmup.web.views.statistics import MailboxFigures, TotalFigures

router = APIRouter(tags=["statistics"])

DayCount = Annotated[int, Query(ge=1, le=366, description="Number of local days, including today."), WHOLE_NUMBER]


class HealthHistory(BaseModel):
    """Changes of a mailbox's health band."""

    history: list[HealthChange] = Field(description="Newest first, at most 50.")


class DnsOut(BaseModel):
    """The checked sending domains."""

    domains: list[Domain]


@router.get("/statistics")
def get_statistics(context: CurrentContext, days: DayCount = DEFAULT_DAYS) -> TotalFigures:
    """Return the statistics of all warmup mailboxes."""
    with read_transaction(context.services.engine) as connection:
        return statistics.load_total_figures(connection, days=days)


@router.get("/mailboxes/{address:path}/statistics")
def get_mailbox_statistics(address: str, context: CurrentContext, days: DayCount = DEFAULT_DAYS) -> MailboxFigures:
    """Return the statistics of one warmup mailbox, with ramp, health and score."""
    services = context.services
    with read_transaction(services.engine) as connection:
        record = repository.get_mailbox(connection, address)
        return statistics.load_mailbox_figures(connection, record, services.settings, days=days)


@router.get("/mailboxes/{address:path}/health")
def get_health(address: str, context: CurrentContext) -> HealthHistory:
    """Return the changes of a mailbox's health band."""
    with read_transaction(context.services.engine) as connection:
        record = repository.get_mailbox(connection, address)
        return HealthHistory(history=health.load_health_changes(connection, record.id, limit=50))


@router.get("/dns")
def get_dns(
    context: CurrentContext,
    domain: Annotated[str, Query(max_length=MAX_TEXT_LENGTH, description="Only this domain.")] = "",
) -> DnsOut:
    """Return SPF, DKIM and DMARC of the sending domains at their last check. No DNS query is made."""
    with read_transaction(context.services.engine) as connection:
        return DnsOut(domains=domains.load_domains(connection, normalize_domain(domain) or None))
