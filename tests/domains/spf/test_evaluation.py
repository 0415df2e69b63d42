"""SPF as receivers evaluate it: the function check_host() of RFC 7208."""

from __future__ import annotations

import pytest

from gmail_warmup.domains.spf.evaluation import check_host
from samples.dns.spf import SPF_SAMPLES, ZONE, SpfSample
from samples.dns.zone import Zone


def _name(sample: SpfSample) -> str:
    return f"{sample.section}: {' + '.join(sample.texts)[:60]}"


@pytest.mark.parametrize("sample", SPF_SAMPLES, ids=_name)
def test_check_host(sample: SpfSample):
    zone = Zone(ZONE, {"sender.example": sample.texts}, sample.zone)
    outcome = check_host(sample.ip, sample.sender, sample.helo, zone)
    assert outcome.result == sample.result, outcome
    assert (outcome.code != "") is (sample.result == "permerror")


def test_there_are_enough_samples():
    assert len({(sample.ip, sample.sender, *sample.texts) for sample in SPF_SAMPLES}) >= 250


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        ("v=spf1 a/33 -all", "sender.example: a/33: the prefix length /33 is not a number from 0 to 32"),
        ("v=spf1 -all moo", "sender.example: moo: there is no mechanism moo"),
        ("v=spf1 ip4:1.2.3 -all", "sender.example: ip4:1.2.3: 1.2.3 is not an IPv4 address or network"),
        ("v=spf1 redirect=a.example redirect=b.example", "sender.example: redirect=b.example: redirect= appears twice"),
        ("v=spf1 include:bad.example", "bad.example: ip4:1.2.3: 1.2.3 is not an IPv4 address or network"),
        ("v=spf1 include:two.example", "two.example has 2 SPF records"),
        (
            "v=spf1 include:nobody.example",
            "include:nobody.example in the record of sender.example: there is no SPF record",
        ),
        ("v=spf1 include:loop.example", "include:loop.example in the record of loop.example is lookup 11"),
        (
            "v=spf1 mx:manymx.example",
            "mx:manymx.example in the record of sender.example: manymx.example has 11 MX names",
        ),
        (
            "v=spf1 a:no1.example a:no2.example a:no3.example",
            "no3.example has no record of the type A: it is the third such name",
        ),
    ],
)
def test_an_error_names_the_domain_and_the_term(record: str, detail: str):
    outcome = check_host("192.0.2.10", "ann@sender.example", "mx", Zone(ZONE, {"sender.example": record}))
    assert outcome.detail == detail


def test_no_record_leads_to_more_queries_than_its_limits_allow():
    record = "v=spf1" + " mx:tenmx.example" * 20
    zone = Zone(ZONE, {"sender.example": record}, {f"mx{number}.example A": ["203.0.113.1"] for number in range(10)})
    check_host("203.0.113.200", "ann@sender.example", "mx", zone)
    assert len(zone.asked) <= 1 + 10 * 11
