"""Check the SPF, DKIM and DMARC records of the sending domains, once a day."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.rows import isolate_item
from gmail_warmup.domains import store
from gmail_warmup.domains.dkim import check_dkim
from gmail_warmup.domains.dmarc import check_dmarc
from gmail_warmup.domains.lookup import CachedLookup, DnsLookup, DnsResolver, NoAnswerError
from gmail_warmup.domains.reasons import RecordFinding, make_finding
from gmail_warmup.domains.spf.check import check_spf

log = logging.getLogger(__name__)

_MAX_THREADS = 8
_LOG_LEVELS = {
    DnsResult.OK: logging.DEBUG,
    DnsResult.COULD_NOT_TELL: logging.INFO,
    DnsResult.WARNING: logging.WARNING,
    DnsResult.BAD: logging.WARNING,
}

DomainFindings = dict[DnsRecord, RecordFinding]
"""The findings of one domain, by record."""


def build_resolver(settings: Settings) -> DnsResolver:
    """Return a resolver for the name servers of the settings, or for those of the machine."""
    return DnsResolver(settings.name_servers, timeout=settings.dns_timeout)


def check_domain(domain: str, lookup: DnsLookup, *, selector: str) -> DomainFindings:
    """Check the records of a domain. Errors of a name server become findings."""
    return {
        DnsRecord.SPF: _run_check(lambda: check_spf(domain, CachedLookup(lookup))),
        DnsRecord.DKIM: _run_check(lambda: check_dkim(domain, lookup, selector=selector)),
        DnsRecord.DMARC: _run_check(lambda: check_dmarc(domain, lookup)),
    }


def _run_check(check: Callable[[], RecordFinding]) -> RecordFinding:
    try:
        return check()
    except NoAnswerError as error:
        return make_finding("no_answer", str(error))


def check_all_domains(engine: sa.Engine, lookup: DnsLookup, *, selector: str) -> dict[str, DomainFindings]:
    """Check every sending domain, store the findings and return them by domain."""
    with read_transaction(engine) as connection:
        domains = store.list_sending_domains(connection)
    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        results = threads.map(lambda domain: check_domain(domain, lookup, selector=selector), domains)
        checked = dict(zip(domains, results, strict=True))
    with write_transaction(engine) as connection:
        for domain, findings in checked.items():
            with isolate_item(connection, f"The result of {domain}"):
                store.store_findings(connection, domain, findings)
        store.delete_other_domains(connection, domains)
    return checked


def log_findings(checked: Mapping[str, DomainFindings]) -> None:
    """Log the findings of a task, which has no other output."""
    for domain, findings in checked.items():
        for record, finding in findings.items():
            message = finding.reason.message
            log.log(_LOG_LEVELS[finding.result], "%s: %s: %s [%s]", domain, record.value, message, finding.detail)
