"""Find the domains that must not send, because receivers cannot authenticate their mail.

A bad record stops a domain after 72 hours. What Google reports in the headers of delivered mails counts more than the
check of the record: as long as the last mail passes, the finding stops nothing. A failure that Google reports stops
nothing either, but alerts the operator: a domain that does not send could never show that it passes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.core.enums import AuthenticationResult, DnsRecord
from gmail_warmup.db.models import DomainAuthentication, DomainCheck
from gmail_warmup.domains.reasons import DNS_REASONS

GATED_AFTER = timedelta(hours=72)
CONFIRMED_FOR = timedelta(days=7)
"""For how long the last mail that Google authenticated outweighs a bad record."""
_CHECK_TIME_TOLERANCE = timedelta(hours=1)
"""Daily checks are never exactly one day apart."""

_IS_CONFIRMED = (
    sa.exists()
    .where(
        DomainAuthentication.domain == DomainCheck.domain,
        # The values of a record and of the method that reads it are the same.
        DomainAuthentication.method == DomainCheck.record,
        DomainAuthentication.result == AuthenticationResult.PASS,
        DomainAuthentication.failures == 0,
        # A pass from before the record became bad says nothing about it.
        DomainAuthentication.passed_at > sa.func.greatest(DomainCheck.bad_since, sa.func.now() - CONFIRMED_FOR),
    )
    .correlate(DomainCheck)
)

_IS_BAD_TOO_LONG = sa.and_(
    # A missing DKIM key is reported but blocks nothing: Gmail then signs with a key of its own domain.
    DomainCheck.record.in_((DnsRecord.SPF, DnsRecord.DMARC)),
    # A later check has to confirm the result: one bad check that is never repeated blocks nothing.
    DomainCheck.bad_seen_at >= DomainCheck.bad_since + (GATED_AFTER - _CHECK_TIME_TOLERANCE),
    sa.not_(_IS_CONFIRMED),
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


_SELECT_CONFIRMED = sa.select(DomainCheck.domain, DomainCheck.record).where(
    DomainCheck.bad_since.is_not(None), _IS_CONFIRMED
)


def load_confirmed_records(connection: sa.Connection) -> frozenset[tuple[str, str]]:
    """Return domain and record of the bad findings that stop nothing, because Google reports a pass."""
    return frozenset((row.domain, row.record) for row in connection.execute(_SELECT_CONFIRMED))
