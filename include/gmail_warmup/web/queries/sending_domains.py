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
    names = sa.literal(list(domains), ARRAY(sa.Text))
    bands = (
        sa.select(Mailbox.domain, Mailbox.band, sa.func.count().label("mailboxes"))
        .where(in_band(*_OTHER_BANDS), Mailbox.domain == sa.any_(names))
        .group_by(Mailbox.domain, Mailbox.band)
    )
    for row in connection.execute(bands):
        if row.band in _SEVERITY:
            found[row.domain].bands[HealthBand(row.band)] = row.mailboxes
    for domain, records in load_authentication(connection, domains).items():
        found[domain].records = records
    return found


def load_authentication(connection: sa.Connection, domains: Sequence[str]) -> dict[str, dict[DnsRecord, DnsResult]]:
    """Return the result of each method, by domain: of the last mail as Google reported it, or of the last DNS check."""
    names = sa.literal(list(domains), ARRAY(sa.Text))
    query = sa.select(DomainCheck.domain, DomainCheck.record, DomainCheck.result)
    found: dict[str, dict[DnsRecord, DnsResult]] = defaultdict(dict)
    for row in connection.execute(query.where(DomainCheck.domain == sa.any_(names))):
        if row.record in list(DnsRecord) and row.result in list(DnsResult):
            found[row.domain][DnsRecord(row.record)] = DnsResult(row.result)
    reports = sa.select(DomainAuthentication.domain, DomainAuthentication.method, DomainAuthentication.failures)
    for report in connection.execute(reports.where(DomainAuthentication.domain == sa.any_(names))):
        if report.method in list(DnsRecord):
            found[report.domain][DnsRecord(report.method)] = DnsResult.BAD if report.failures else DnsResult.OK
    return found
