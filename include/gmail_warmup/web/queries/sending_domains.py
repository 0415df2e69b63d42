"""What the overview shows of sending domains besides their mails: mailboxes, health bands and DNS records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.enums import DnsRecord, DnsResult, HealthBand
from gmail_warmup.db.models import DomainAuthentication, DomainCheck, Mailbox
from gmail_warmup.web.queries.filters import in_band

_SEVERITY = list(HealthBand)
_OTHER_BANDS = [band for band in HealthBand if band is not HealthBand.HEALTHY]
_ANY_NAMED = sa.any_(sa.bindparam("domains", type_=ARRAY(sa.Text)))
_COUNT_BANDS = (
    sa.select(Mailbox.domain, Mailbox.band, sa.func.count().label("mailboxes"))
    .where(in_band(*_OTHER_BANDS), Mailbox.domain == _ANY_NAMED)
    .group_by(Mailbox.domain, Mailbox.band)
)
_SELECT_CHECKS = sa.select(DomainCheck.domain, DomainCheck.record, DomainCheck.result).where(
    DomainCheck.domain == _ANY_NAMED, DomainCheck.record.in_(DnsRecord), DomainCheck.result.in_(DnsResult)
)
_A = DomainAuthentication
_SELECT_REPORTS = sa.select(_A.domain, _A.method, _A.failures).where(_A.domain == _ANY_NAMED, _A.method.in_(DnsRecord))


@dataclass(kw_only=True)
class DomainState:
    """A sending domain: its warmup mailboxes in each band but the first, and the result of each authentication."""

    bands: dict[HealthBand, int] = field(default_factory=dict)
    records: dict[DnsRecord, DnsResult] = field(default_factory=dict)

    @property
    def worst_band(self) -> HealthBand:
        """Return the most severe band of its mailboxes."""
        return max(self.bands, key=_SEVERITY.index, default=HealthBand.HEALTHY)


def load_domain_states(connection: sa.Connection, domains: Sequence[str]) -> dict[str, DomainState]:
    """Return the states of some sending domains."""
    found: dict[str, DomainState] = defaultdict(DomainState)
    for row in connection.execute(_COUNT_BANDS, {"domains": list(domains)}):
        if row.band in _SEVERITY:
            found[row.domain].bands[HealthBand(row.band)] = row.mailboxes
    for domain, records in load_authentication(connection, domains).items():
        found[domain].records = records
    return found


def load_authentication(connection: sa.Connection, domains: Sequence[str]) -> dict[str, dict[DnsRecord, DnsResult]]:
    """Return the result of each method, by domain: of the last mail as Google reported it, or of the last DNS check."""
    names = {"domains": list(domains)}
    found: dict[str, dict[DnsRecord, DnsResult]] = defaultdict(dict)
    for row in connection.execute(_SELECT_CHECKS, names):
        found[row.domain][DnsRecord(row.record)] = DnsResult(row.result)
    for report in connection.execute(_SELECT_REPORTS, names):
        found[report.domain][DnsRecord(report.method)] = DnsResult.BAD if report.failures else DnsResult.OK
    return found
