"""Which domains are not sent from, because receivers cannot tell their mail from a forgery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.enums import DnsRecord
from gmail_warmup.db.models import DomainCheck
from gmail_warmup.domains.reasons import DNS_REASONS

GATED_AFTER = timedelta(hours=72)
_CHECK_TIME_TOLERANCE = timedelta(hours=1)
"""Two daily looks are never exactly a day apart."""

_IS_BAD_TOO_LONG = sa.and_(
    # A missing DKIM key is told and stops nothing: Gmail then signs with a key of its own domain.
    DomainCheck.record.in_((DnsRecord.SPF, DnsRecord.DMARC)),
    # Seen bad again after that time: one bad look, and then no more looks, stops nothing.
    DomainCheck.bad_seen_at >= DomainCheck.bad_since + (GATED_AFTER - _CHECK_TIME_TOLERANCE),
)

GATED_DOMAINS = sa.select(DomainCheck.domain).where(_IS_BAD_TOO_LONG)
"""The domains that are not sent from, for a condition like ``Mailbox.domain.not_in(GATED_DOMAINS)``."""

# Where both are bad, SPF, which sorts last, is told first.
_SELECT_GATED = (
    sa.select(DomainCheck.domain, DomainCheck.bad_code, DomainCheck.bad_since)
    .where(_IS_BAD_TOO_LONG)
    .order_by(DomainCheck.record)
)


@dataclass(frozen=True, kw_only=True)
class GatedDomain:
    """Why a domain is not sent from. The first look that finds the record right opens it again."""

    domain: str
    code: str
    sentence: str
    step: str
    since: datetime


def load_gated_domains(connection: sa.Connection) -> dict[str, GatedDomain]:
    """Return the domains whose SPF or DMARC record is bad for 72 hours, each with what to do about it."""
    return {
        row.domain: _to_gated_domain(row.domain, row.bad_code, row.bad_since)
        for row in connection.execute(_SELECT_GATED)
    }


def _to_gated_domain(domain: str, code: str, since: datetime) -> GatedDomain:
    reason = DNS_REASONS[code]
    return GatedDomain(
        domain=domain,
        code=code,
        sentence=f"{domain} is not sent from: {reason.message}",
        step=f"{reason.remedy_for(domain)} Then run: gmail-warmup dns",
        since=since,
    )
