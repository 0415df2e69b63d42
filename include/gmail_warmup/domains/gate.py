"""Find the domains that must not send, because receivers cannot authenticate their mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.enums import DnsRecord
from gmail_warmup.db.models import DomainCheck
from gmail_warmup.domains.reasons import DNS_REASONS

GATED_AFTER = timedelta(hours=72)
_CHECK_TIME_TOLERANCE = timedelta(hours=1)
"""Daily checks are never exactly one day apart."""

_IS_BAD_TOO_LONG = sa.and_(
    # A missing DKIM key is reported but blocks nothing: Gmail then signs with a key of its own domain.
    DomainCheck.record.in_((DnsRecord.SPF, DnsRecord.DMARC)),
    # A later check has to confirm the result: one bad check that is never repeated blocks nothing.
    DomainCheck.bad_seen_at >= DomainCheck.bad_since + (GATED_AFTER - _CHECK_TIME_TOLERANCE),
)

GATED_DOMAINS = sa.select(DomainCheck.domain).where(_IS_BAD_TOO_LONG)
"""The domains that must not send, for a condition like ``Mailbox.domain.not_in(GATED_DOMAINS)``."""


@dataclass(frozen=True, kw_only=True)
class GatedDomain:
    """A domain that must not send, and why. The first check that finds the record correct opens it again."""

    domain: str
    code: str
    message: str
    remedy: str
    since: datetime


# If both records are bad, SPF is reported: it sorts last, and the last row of a domain is used.
_SELECT_GATED = (
    sa.select(DomainCheck.domain, DomainCheck.bad_code, DomainCheck.bad_since)
    .where(_IS_BAD_TOO_LONG)
    .order_by(DomainCheck.record)
)


def load_gated_domains(connection: sa.Connection) -> dict[str, GatedDomain]:
    """Return the domains whose SPF or DMARC record has been bad for 72 hours, by name."""
    return {
        row.domain: _to_gated_domain(row.domain, row.bad_code, row.bad_since)
        for row in connection.execute(_SELECT_GATED)
    }


def _to_gated_domain(domain: str, code: str, since: datetime) -> GatedDomain:
    reason = DNS_REASONS.look_up(code, "no_answer")
    return GatedDomain(
        domain=domain,
        code=code,
        message=f"{domain} is not sent from: {reason.message}",
        remedy=f"{reason.remedy_for(domain)} Then run: gmail-warmup dns",
        since=since,
    )
