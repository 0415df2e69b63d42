"""Look at the records of the sending domains: SPF, DKIM and DMARC, once a day."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.core.settings import Settings
from gmail_warmup.domains import store
from gmail_warmup.domains.dkim_dmarc import check_dkim, check_dmarc
from gmail_warmup.domains.lookup import NoAnswerError, TxtLookup, TxtResolver
from gmail_warmup.domains.reasons import RecordFinding, make_finding
from gmail_warmup.domains.spf import check_spf

log = logging.getLogger(__name__)

_MAX_THREADS = 8
_LOG_LEVELS = {DnsResult.OK: logging.DEBUG, DnsResult.COULD_NOT_TELL: logging.INFO, DnsResult.BAD: logging.WARNING}

DomainFindings = dict[DnsRecord, RecordFinding]
"""What one look at a domain found, by record."""


def build_resolver(settings: Settings) -> TxtResolver:
    """Return what asks the name servers of the settings, or the machine's own."""
    return TxtResolver(settings.name_servers, timeout=settings.dns_timeout)


def check_domain(domain: str, lookup: TxtLookup, *, selector: str) -> DomainFindings:
    """Return what the records of a domain say; never raises for what a name server does."""
    return {
        DnsRecord.SPF: _run_check(lambda: check_spf(domain, lookup)),
        DnsRecord.DKIM: _run_check(lambda: check_dkim(domain, lookup, selector=selector)),
        DnsRecord.DMARC: _run_check(lambda: check_dmarc(domain, lookup)),
    }


def _run_check(check: Callable[[], RecordFinding]) -> RecordFinding:
    try:
        return check()
    except NoAnswerError as error:
        return make_finding("no_answer", str(error))


def check_all_domains(engine: sa.Engine, lookup: TxtLookup, *, selector: str) -> dict[str, DomainFindings]:
    """Look at every sending domain, write down what was found, and return it by domain."""
    with engine.begin() as connection:
        domains = store.sending_domains(connection)
    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        looks = threads.map(lambda domain: check_domain(domain, lookup, selector=selector), domains)
        seen = dict(zip(domains, looks, strict=True))
    with engine.begin() as connection:
        for domain, findings in seen.items():
            store.store_findings(connection, domain, findings)
        store.delete_other_domains(connection, domains)
    for domain, findings in seen.items():
        _log_findings(domain, findings)
    return seen


def _log_findings(domain: str, findings: DomainFindings) -> None:
    for record, finding in findings.items():
        sentence = finding.reason.message
        log.log(_LOG_LEVELS[finding.result], "%s: %s: %s [%s]", domain, record.value, sentence, finding.detail)
