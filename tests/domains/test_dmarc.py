"""DMARC records and their discovery (RFC 9989)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.core.enums import DnsRecord, DnsResult
from gmail_warmup.domains.check import check_domain
from gmail_warmup.domains.dmarc import check_dmarc, find_policy
from gmail_warmup.domains.dmarc_record import discover_record
from samples.dns.dmarc import DMARC_SAMPLES, DmarcSample
from samples.dns.zone import Zone

_PIECES = sorted(
    {tag for sample in DMARC_SAMPLES for texts in sample.records.values() for tag in str(texts).split(";")}
)


def _name(sample: DmarcSample) -> str:
    return f"{sample.domain}: {sample.records}"[:90]


@pytest.mark.parametrize("sample", DMARC_SAMPLES, ids=_name)
def test_what_receivers_apply(sample: DmarcSample):
    zone = Zone(sample.records)
    assert check_domain(sample.domain, zone, selector="google")[DnsRecord.DMARC].code == sample.code
    if sample.code != "no_answer":
        record = discover_record(sample.domain, zone).record
        assert (find_policy(record, sample.domain, zone)[1] if record else "") == sample.policy


@pytest.mark.parametrize(
    ("domain", "names"),
    [
        ("warm.example", ["warm.example", "example"]),
        ("a.b.c.d.e.f.warm.example", [
            "a.b.c.d.e.f.warm.example", "b.c.d.e.f.warm.example", "c.d.e.f.warm.example", "d.e.f.warm.example",
            "e.f.warm.example", "f.warm.example", "warm.example", "example",
        ]),
        ("x.y.a.b.c.d.e.f.warm.example", [
            "x.y.a.b.c.d.e.f.warm.example", "b.c.d.e.f.warm.example", "c.d.e.f.warm.example", "d.e.f.warm.example",
            "e.f.warm.example", "f.warm.example", "warm.example", "example",
        ]),
    ],
)  # fmt: skip
def test_the_walk_has_eight_queries_at_most(domain: str, names: list[str]):
    zone = Zone()
    discover_record(domain, zone)
    assert [name for name, _ in zone.asked] == [f"_dmarc.{name}" for name in names]


def test_the_walk_ends_at_the_own_record():
    zone = Zone({"_dmarc.eu.warm.example": "v=DMARC1; p=none"})
    assert check_dmarc("EU.Warm.Example.", zone).code == "ok"
    assert len(zone.asked) == 1


def test_a_text_that_was_meant_as_a_record_is_shown():
    detail = check_dmarc("warm.example", Zone({"_dmarc.warm.example": "p=none; v=DMARC1"})).detail
    assert detail == '_dmarc.warm.example: "p=none; v=DMARC1" does not begin with v=DMARC1'


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=12), max_size=6))
def test_any_text_has_a_result(tags: list[str]):
    zone = Zone({"_dmarc.warm.example": "; ".join(["v=DMARC1", *tags])})
    assert check_dmarc("warm.example", zone).result in DnsResult
