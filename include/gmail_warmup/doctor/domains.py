"""Check on the records of the sending domains."""

from __future__ import annotations

from gmail_warmup.core.enums import DnsResult
from gmail_warmup.core.text import counted, some
from gmail_warmup.doctor.context import Ground
from gmail_warmup.doctor.result import Finding, Status
from gmail_warmup.domains.gate import bad_domains
from gmail_warmup.domains.store import checked


def sending_domains(ground: Ground) -> Finding:
    """Show what the last looks at SPF, DKIM and DMARC found; asks no name server."""
    with ground.services.engine.connect() as connection:
        found, gates = checked(connection), bad_domains(connection)
    if gates:
        first = next(iter(gates.values()))
        more = f" So are {some(sorted(gates.keys() - {first.domain}))}." if len(gates) > 1 else ""
        return Status.PROBLEM, first.sentence + more, first.step
    bad = sorted({f"{row.domain} ({row.record.value})" for row in found if row.finding.result is DnsResult.BAD})
    if bad:
        step = "Run: gmail-warmup dns. After 72 hours without SPF or DMARC a domain is not sent from."
        return Status.WARNING, f"A record is bad: {some(bad)}.", step
    domains = len({row.domain for row in found})
    return Status.OK, f"The records of {counted(domains, 'domain')} are right." if domains else "Not looked at yet."
