"""Which domains are not sent from, because receivers cannot tell their mail from a forgery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.enums import DnsRecord
from gmail_warmup.db.models import DomainCheck
from gmail_warmup.domains.reasons import DNS_REASONS

GATED_AFTER = timedelta(hours=72)
_SLACK = timedelta(hours=1)
"""Two daily looks are never exactly a day apart."""

_LONG_BAD = sa.and_(
    # A missing DKIM key is told and stops nothing: Gmail then signs with a key of its own domain.
    DomainCheck.record.in_((DnsRecord.SPF, DnsRecord.DMARC)),
    # Seen bad again after that time: one bad look, and then no more looks, stops nothing.
    DomainCheck.bad_seen_at >= DomainCheck.bad_since + (GATED_AFTER - _SLACK),
)

GATED_DOMAINS = sa.select(DomainCheck.domain).where(_LONG_BAD)
"""The domains that are not sent from, for a condition like ``Mailbox.domain.not_in(GATED_DOMAINS)``."""

# Where both are bad, SPF, which sorts last, is told first.
_GATES = (
    sa.select(DomainCheck.domain, DomainCheck.bad_code, DomainCheck.bad_since)
    .where(_LONG_BAD)
    .order_by(DomainCheck.record)
)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Why a domain is not sent from. The first look that finds the record right opens it again."""

    domain: str
    code: str
    sentence: str
    step: str
    since: datetime


def bad_domains(connection: sa.Connection) -> dict[str, Gate]:
    """Return the domains whose SPF or DMARC record is bad for 72 hours, each with what to do about it."""
    return {row.domain: _gate(row.domain, row.bad_code, row.bad_since) for row in connection.execute(_GATES)}


def _gate(domain: str, code: str, since: datetime) -> Gate:
    reason = DNS_REASONS[code]
    return Gate(
        domain=domain,
        code=code,
        sentence=f"{domain} is not sent from: {reason.sentence}",
        step=f"{reason.step_for(domain)} Then run: gmail-warmup dns",
        since=since,
    )
