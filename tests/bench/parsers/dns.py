"""How many DNS records are read as the standards say: SPF by RFC 7208, DMARC by RFC 9989, DKIM by RFC 6376."""

from __future__ import annotations

from bench.ground import Ground
from bench.report import Figure, Part, Say, at_least, exactly
from gmail_warmup.core.enums import DnsRecord
from gmail_warmup.domains.check import check_domain
from gmail_warmup.domains.spf.evaluation import check_host
from samples.dns import google_spf
from samples.dns.dkim import DKIM_SAMPLES
from samples.dns.dmarc import DMARC_SAMPLES
from samples.dns.spf import SPF_SAMPLES, ZONE, SpfSample
from samples.dns.zone import Records, Zone

MIN_SPF_RECORDS = 150
_DOMAIN = "warm.example"


def _is_right(sample: SpfSample) -> bool:
    zone = Zone(ZONE, {"sender.example": sample.texts}, sample.zone)
    return check_host(sample.ip, sample.sender, sample.helo, zone).result == sample.result


def _find_code(record: DnsRecord, *parts: Records, domain: str = _DOMAIN) -> str:
    return check_domain(domain, Zone(*parts), selector="google")[record].code


def _run(ground: Ground, say: Say) -> list[Figure]:
    google = [
        _find_code(DnsRecord.SPF, google_spf.GOOGLE, google_spf.ZONE, {_DOMAIN: texts}) == code
        for texts, code in google_spf.GOOGLE_SPF_SAMPLES
    ]
    spf = [*map(_is_right, SPF_SAMPLES), *google]
    dmarc = [
        _find_code(DnsRecord.DMARC, sample.records, domain=sample.domain) == sample.code for sample in DMARC_SAMPLES
    ]
    dkim = [_find_code(DnsRecord.DKIM, {f"google._domainkey.{_DOMAIN}": texts}) == code for texts, code in DKIM_SAMPLES]
    return [
        Figure(label="SPF records", value=len(spf), target=at_least(MIN_SPF_RECORDS), key="spf_records"),
        Figure(label="  read as RFC 7208 says", value=sum(spf), target=exactly(len(spf)), key="spf_right"),
        Figure(label="DMARC records", value=len(dmarc)),
        Figure(label="  read as RFC 9989 says", value=sum(dmarc), target=exactly(len(dmarc)), key="dmarc_right"),
        Figure(label="DKIM keys", value=len(dkim)),
        Figure(label="  read as RFC 6376 says", value=sum(dkim), target=exactly(len(dkim))),
    ]


DNS = Part(name="dns", title="DNS records", run=_run)
