"""Check of the DNS records of sending domains."""

from __future__ import annotations

from gmail_warmup.core.enums import DnsResult
from gmail_warmup.core.text import join_first, pluralize
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.domains.gate import load_confirmed_records, load_gated_domains
from gmail_warmup.domains.store import load_findings


def check_domain_records(context: DoctorContext) -> CheckOutcome:
    """Report the stored results for SPF, DKIM and DMARC, without a DNS query."""
    with read_transaction(context.services.engine) as connection:
        findings, gates = load_findings(connection), load_gated_domains(connection)
        confirmed = load_confirmed_records(connection)
    if gates:
        first = next(iter(gates.values()))
        more = f" The same applies to {join_first(sorted(gates.keys() - {first.domain}))}." if len(gates) > 1 else ""
        return Status.PROBLEM, first.message + more, first.remedy
    found = [row for row in findings if row.finding.result is DnsResult.BAD]
    bad = sorted({f"{row.domain} ({row.record})" for row in found if (row.domain, row.record) not in confirmed})
    if bad:
        step = "Run: gmail-warmup dns. After 72 hours without valid SPF or DMARC, a domain may not send."
        return Status.WARNING, f"Bad DNS records: {join_first(bad)}.", step
    warned = sorted(f"{row.domain} ({row.record})" for row in findings if row.finding.result is DnsResult.WARNING)
    if warned:
        step = "Run: gmail-warmup dns. It names what to correct; the domains may send."
        return Status.WARNING, f"DNS records with warnings: {join_first(warned)}.", step
    if found:
        listed = join_first(sorted(f"{row.domain} ({row.record})" for row in found))
        return Status.OK, f"Google reports a pass, so sending continues despite bad DNS records: {listed}."
    domains = len({row.domain for row in findings})
    return Status.OK, f"The DNS records of {pluralize(domains, 'domain')} are valid." if domains else "Not checked yet."
