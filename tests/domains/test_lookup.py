"""Lookups at a real name server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domains.name_server import HOST, REFUSED, SERVFAIL, SILENCE, NameServer, serving
from gmail_warmup.domains.lookup import CachedLookup, DnsResolver, InvalidNameError, NoAnswerError, RecordType


@pytest.fixture(scope="module")
def server() -> Iterator[NameServer]:
    with serving() as running:
        running.txt("text.example", ["v=spf1", " -all"], "caf\u00e9")
        running.add("host.example", "A", "192.0.2.1", "192.0.2.2")
        running.add("host.example", "AAAA", "2001:db8::1")
        running.add("host.example", "MX", "10 mx.host.example.", "0 .")
        running.add("1.2.0.192.in-addr.arpa", "PTR", "Host.example.")
        for how in (SERVFAIL, REFUSED, SILENCE):
            running.trouble(f"{how}.example", how)
        yield running


@pytest.fixture
def lookup(server: NameServer) -> DnsResolver:
    return DnsResolver([(HOST, server.port)], timeout=60)


@pytest.mark.parametrize(
    ("name", "record_type", "found"),
    [
        ("text.example", "TXT", ["caf\ufffd\ufffd", "v=spf1 -all"]),
        ("HOST.example.", "A", ["192.0.2.1", "192.0.2.2"]),
        ("host.example", "AAAA", ["2001:db8::1"]),
        ("host.example", "MX", [".", "mx.host.example"]),
        ("1.2.0.192.in-addr.arpa", "PTR", ["Host.example"]),
        ("host.example", "TXT", []),
        ("text.example", "A", []),
        ("nobody.example", "MX", []),
    ],
)
def test_records(lookup: DnsResolver, name: str, record_type: str, found: list[str]):
    assert sorted(lookup(name, RecordType(record_type))) == found


@pytest.mark.parametrize("name", ["a..example", f"{'x' * 64}.example", "x." * 127 + "example", "a\\999.example", ".x"])
def test_a_name_that_is_none(lookup: DnsResolver, name: str):
    with pytest.raises(InvalidNameError):
        lookup(name)


@pytest.mark.parametrize("how", [SERVFAIL, REFUSED, SILENCE])
def test_no_answer(server: NameServer, how: str):
    with pytest.raises(NoAnswerError):
        DnsResolver([(HOST, server.port)], timeout=0.4)(f"{how}.example", RecordType.A)


def test_an_answer_and_an_error_are_kept():
    asked = []

    def ask(name: str, record_type: RecordType = RecordType.TXT) -> list[str]:
        asked.append((name, record_type))
        if name.startswith("down"):
            raise NoAnswerError(name)
        return [name]

    cached = CachedLookup(ask)
    assert cached("a.example") == cached("A.example.") == ["a.example"]
    assert cached("a.example", RecordType.A) == ["a.example"]
    for _ in range(2):
        for number in range(6):
            with pytest.raises(NoAnswerError):
                cached(f"down{number}.example")
    assert len(asked) == 2 + 4, "four names without an answer are enough"
