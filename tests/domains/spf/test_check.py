"""The SPF record of a domain that sends with Google: what is found, and what it costs."""

from __future__ import annotations

import pytest

from gmail_warmup.core.enums import DnsRecord
from gmail_warmup.domains.check import check_domain
from gmail_warmup.domains.reasons import RecordFinding
from samples.dns.google_spf import GOOGLE, GOOGLE_SPF_SAMPLES, ZONE
from samples.dns.zone import TIMEOUT, Records, Zone


def _check(texts: str | list[str], *more: Records) -> RecordFinding:
    zone = Zone(GOOGLE, ZONE, {"warm.example": texts}, *more)
    return check_domain("warm.example", zone, selector="google")[DnsRecord.SPF]


@pytest.mark.parametrize(("texts", "code"), GOOGLE_SPF_SAMPLES, ids=str)
def test_the_record_of_a_domain(texts: str | list[str], code: str):
    assert _check(texts).code == code


@pytest.mark.parametrize(
    ("texts", "detail"),
    [
        ("v=spf1 include:_spf.google.com a -all", "4 of 10 lookups"),
        ("v=spf1 -all", "fail for 192.0.2.0"),
        ("v=spf1 include:_spf.google.com a/33 -all", "a/33: the prefix length /33 is not a number from 0 to 32"),
        ("v=spf1 include:_spf.google.com include:nobody.example -all", "include:nobody.example in the record of warm"),
        ("v=spf1 -ip4:192.0.2.77 include:_spf.google.com -all", "fail for 192.0.2.77"),
        ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8:1::/48 ~all", "softfail for 198.51.100.0"),
    ],
)
def test_a_finding_names_the_cause(texts: str, detail: str):
    assert detail in _check(texts).detail


@pytest.mark.parametrize(
    "google",
    [
        {"_spf.google.com": TIMEOUT},
        {"_spf.google.com": []},
        {"_spf.google.com": "v=spf1 ip4:1.2.3 -all"},
        {"_netblocks.google.com": TIMEOUT},
    ],
)
@pytest.mark.parametrize("text", ["v=spf1 mx -all", "v=spf1 ip4:192.0.2.0/24 -all"])
def test_without_googles_networks_nothing_is_bad(google: Records, text: str):
    assert _check(text, google).code == "no_answer"


def test_a_void_record_is_found_without_googles_networks():
    assert _check("v=spf1 a/33 -all", {"_spf.google.com": TIMEOUT}).code == "spf_syntax"


def test_hosts_without_ip6_in_front_of_google_are_a_warning():
    """They are void lookups for Google's IPv6 servers only."""
    hosts: Records = {f"h{number}.example A": ["203.0.113.1"] for number in range(3)}
    record = "v=spf1 a:h0.example a:h1.example a:h2.example include:_spf.google.com ~all"
    assert _check(record, hosts).code == "spf_part_of_google"


def test_each_name_is_looked_up_once():
    zone = Zone(GOOGLE, ZONE, {"warm.example": "v=spf1 a mx include:s1.example include:_spf.google.com ~all"})
    check_domain("warm.example", zone, selector="google")
    assert len(zone.asked) == len(set(zone.asked)) < 20


def test_a_domain_whose_name_servers_are_down_does_not_delay_the_others():
    names = " ".join(f"ptr:slow{number}.example" for number in range(9))
    down: Records = {f"{number}.2.0.192.in-addr.arpa PTR": TIMEOUT for number in range(256)}
    record = f"v=spf1 {' '.join(f'ip4:192.0.2.{number}' for number in range(0, 256, 9))} {names} -all"
    zone = Zone(GOOGLE, down, {"warm.example": record})
    check_domain("warm.example", zone, selector="google")
    assert sum(record_type == "PTR" for name, record_type in zone.asked if name.endswith("2.0.192.in-addr.arpa")) <= 4
