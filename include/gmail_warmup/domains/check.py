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
from gmail_warmup.domains.lookup import NoAnswerError, Resolver, TxtLookup
from gmail_warmup.domains.reasons import Finding, found
from gmail_warmup.domains.spf import check_spf

log = logging.getLogger(__name__)

_AT_ONCE = 8
_LEVELS = {DnsResult.OK: logging.DEBUG, DnsResult.COULD_NOT_TELL: logging.INFO, DnsResult.BAD: logging.WARNING}

Findings = dict[DnsRecord, Finding]
"""What one look at a domain found, by record."""


def resolver(settings: Settings) -> Resolver:
    """Return what asks the name servers of the settings, or the machine's own."""
    return Resolver(settings.name_servers, timeout=settings.dns_timeout)


def look_at(domain: str, lookup: TxtLookup, *, selector: str) -> Findings:
    """Return what the records of a domain say; never raises for what a name server does."""
    return {
        DnsRecord.SPF: _told(lambda: check_spf(domain, lookup)),
        DnsRecord.DKIM: _told(lambda: check_dkim(domain, lookup, selector=selector)),
        DnsRecord.DMARC: _told(lambda: check_dmarc(domain, lookup)),
    }


def _told(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except NoAnswerError as error:
        return found("no_answer", str(error))


def look_at_all(engine: sa.Engine, lookup: TxtLookup, *, selector: str) -> dict[str, Findings]:
    """Look at every sending domain, write down what was found, and return it by domain."""
    with engine.begin() as connection:
        domains = store.sending_domains(connection)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        looks = threads.map(lambda domain: look_at(domain, lookup, selector=selector), domains)
        seen = dict(zip(domains, looks, strict=True))
    with engine.begin() as connection:
        for domain, findings in seen.items():
            store.store(connection, domain, findings)
        store.forget_others(connection, domains)
    for domain, findings in seen.items():
        _log(domain, findings)
    return seen


def _log(domain: str, findings: Findings) -> None:
    for record, finding in findings.items():
        sentence = finding.reason.sentence
        log.log(_LEVELS[finding.result], "%s: %s: %s [%s]", domain, record.value, sentence, finding.detail)
