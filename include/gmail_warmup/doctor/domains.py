"""Check on the records of the sending domains."""

from __future__ import annotations

from gmail_warmup.core.enums import DnsResult
from gmail_warmup.core.text import join_first, pluralize
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.domains.gate import load_gated_domains
from gmail_warmup.domains.store import load_findings


def check_domain_records(ground: DoctorContext) -> CheckOutcome:
    """Show what the last looks at SPF, DKIM and DMARC found; asks no name server."""
    with ground.services.engine.connect() as connection:
        found, gates = load_findings(connection), load_gated_domains(connection)
    if gates:
        first = next(iter(gates.values()))
        more = f" So are {join_first(sorted(gates.keys() - {first.domain}))}." if len(gates) > 1 else ""
        return Status.PROBLEM, first.sentence + more, first.step
    bad = sorted({f"{row.domain} ({row.record.value})" for row in found if row.finding.result is DnsResult.BAD})
    if bad:
        step = "Run: gmail-warmup dns. After 72 hours without SPF or DMARC a domain is not sent from."
        return Status.WARNING, f"A record is bad: {join_first(bad)}.", step
    domains = len({row.domain for row in found})
    return Status.OK, f"The records of {pluralize(domains, 'domain')} are right." if domains else "Not looked at yet."
