"""SPF, DKIM and DMARC checks against a real name server, and the gate for domains with bad records."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domains.name_server import HOST, REFUSED, SERVFAIL, SILENCE, NameServer, serving
from gmail_warmup.core.enums import CONSUMER_DOMAINS, DnsRecord, DnsResult
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.options import validate_settings
from gmail_warmup.core.settings import Settings
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.domains import check_domain_records
from gmail_warmup.doctor.result import Status
from gmail_warmup.domains.check import check_all_domains, check_domain
from gmail_warmup.domains.dkim import check_dkim
from gmail_warmup.domains.gate import GATED_DOMAINS, load_gated_domains
from gmail_warmup.domains.lookup import DnsResolver, NoAnswerError
from gmail_warmup.domains.reasons import DNS_REASONS, RecordFinding, make_finding
from gmail_warmup.domains.spf.check import check_spf
from gmail_warmup.domains.store import load_findings, store_findings
from samples.dns.dkim import KEY
from support.workers import services
from support.world import World

DOMAIN = "warm.example"
GOOGLE_SPF = "v=spf1 include:_netblocks.google.com ~all"
NETBLOCKS = "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 ip6:2001:db8:1::/48 ~all"
GOOD_DKIM, GOOD_DMARC = f"v=DKIM1; k=rsa; p={KEY}", "v=DMARC1; p=none; rua=mailto:dmarc@warm.example"


@pytest.fixture
def server() -> Iterator[NameServer]:
    """Run a name server with Google's SPF record."""
    with serving() as running:
        running.txt("_spf.google.com", GOOGLE_SPF)
        running.txt("_netblocks.google.com", NETBLOCKS)
        yield running


@pytest.fixture
def lookup(server: NameServer) -> DnsResolver:
    return DnsResolver([(HOST, server.port)], timeout=60)


def impatient(server: NameServer) -> DnsResolver:
    """Return a resolver for names about which the server is silent."""
    return DnsResolver([(HOST, server.port)], timeout=0.5)


def good(server: NameServer, domain: str = DOMAIN) -> None:
    server.txt(domain, "v=spf1 include:_spf.google.com ~all")
    server.txt(f"google._domainkey.{domain}", GOOD_DKIM)
    server.txt(f"_dmarc.{domain}", GOOD_DMARC)


def test_a_key_behind_an_alias_is_found(server: NameServer, lookup: DnsResolver):
    server.alias(f"google._domainkey.{DOMAIN}", "keys.provider.example")
    server.txt("keys.provider.example", GOOD_DKIM)
    assert check_dkim(DOMAIN, lookup, selector="google").code == "ok"


def test_an_answer_too_long_for_udp_is_asked_for_by_tcp(server: NameServer, lookup: DnsResolver):
    server.txt(DOMAIN, *(f"verification-{number}={'x' * 100}" for number in range(20)), GOOGLE_SPF)
    assert check_spf(DOMAIN, lookup).code == "ok"
    assert ("tcp", DOMAIN) in server.asked


@pytest.mark.parametrize("how", [SERVFAIL, REFUSED, SILENCE])
def test_trouble_is_never_bad(server: NameServer, how: str):
    for name in (DOMAIN, f"google._domainkey.{DOMAIN}", f"_dmarc.{DOMAIN}"):
        server.trouble(name, how)
    findings = check_domain(DOMAIN, impatient(server), selector="google")
    assert {finding.result for finding in findings.values()} == {DnsResult.COULD_NOT_TELL}


def test_a_server_that_is_not_there_is_no_answer():
    with serving() as gone:
        port = gone.port
    with pytest.raises(NoAnswerError):
        DnsResolver([(HOST, port)], timeout=0.3)(DOMAIN)


def test_every_reason_fits_its_record():
    for code, reason in DNS_REASONS.items():
        assert RecordFinding(code=code).result is reason.result
        assert bool(reason.remedy_for(DOMAIN)) is (code != "ok")


@pytest.fixture
def senders(world: World) -> World:
    """Return a world with warmup mailboxes in two domains and at Gmail, and a pool mailbox in a third one."""
    for address, kind in (
        ("ada@warm.example", "warmup"), ("bob@warm.example", "warmup"), ("cy@also.example", "warmup"),
        ("pia@pool.example", "pool"),
    ):  # fmt: skip
        world.add(address, kind=kind)
    # The sandbox accepts reserved domains only; nothing is sent here.
    consumer = f"cy@{CONSUMER_DOMAINS[0]}"
    world.sql("UPDATE gmail_warmup.mailbox SET address = :a WHERE address = 'cy@also.example'", a=consumer)
    return world


def look(world: World, lookup: DnsResolver) -> None:
    check_all_domains(world.store.engine, lookup, selector="google")


def test_only_domains_that_warmup_mailboxes_send_from_are_looked_at(
    senders: World, server: NameServer, lookup: DnsResolver
):
    good(server)
    look(senders, lookup)
    with senders.store.engine.connect() as connection:
        stored = load_findings(connection)
    assert [(row.domain, row.record.value, row.finding.code) for row in stored] == [
        (DOMAIN, "dkim", "ok"), (DOMAIN, "dmarc", "ok"), (DOMAIN, "spf", "ok"),
    ]  # fmt: skip
    senders.sql("DELETE FROM gmail_warmup.mailbox WHERE domain = :domain", domain=DOMAIN)
    look(senders, lookup)
    assert senders.rows("SELECT * FROM gmail_warmup.domain_check") == []


def later(world: World, hours: int) -> None:
    """Shift the times of the stored checks by some hours."""
    world.sql(
        "UPDATE gmail_warmup.domain_check SET bad_since = bad_since - make_interval(hours => :h),"
        " bad_seen_at = bad_seen_at - make_interval(hours => :h)", h=hours,
    )  # fmt: skip


def gates(world: World) -> dict[str, str]:
    with world.store.engine.connect() as connection:
        closed = load_gated_domains(connection)
        assert set(connection.scalars(GATED_DOMAINS)) == closed.keys()
    return {domain: gate.code for domain, gate in closed.items()}


def stored(world: World) -> dict[str, str]:
    with world.store.engine.connect() as connection:
        return {row.record.value: row.finding.code for row in load_findings(connection)}


@pytest.mark.parametrize(("name", "code"), [(DOMAIN, "spf_missing"), (f"_dmarc.{DOMAIN}", "dmarc_missing")])
def test_a_domain_bad_for_72_hours_is_closed_until_the_first_ok(
    senders: World, server: NameServer, lookup: DnsResolver, name: str, code: str
):
    good(server)
    server.txt(name)
    for _ in range(3):
        look(senders, lookup)
        assert gates(senders) == {}
        later(senders, 24)
    assert gates(senders) == {}, "nobody has seen it bad after 72 hours"
    server.trouble(name, SERVFAIL)
    look(senders, lookup)
    assert gates(senders) == {}, "what could not be told is not held against it"
    server.txt(name)
    look(senders, lookup)
    assert gates(senders) == {DOMAIN: code}
    server.trouble(name, SILENCE)
    look(senders, impatient(server))
    assert gates(senders) == {DOMAIN: code}, "and does not open it either"
    good(server)
    look(senders, lookup)
    assert gates(senders) == {}


@pytest.mark.parametrize(
    ("record", "code", "closes"),
    [
        ("v=spf1 include:_spf.google.com ~all", "ok", False),
        ("v=spf1 include:_spf.google.com mx a ~all", "ok", False),
        ("v=spf1 mx -all", "spf_without_google", True),
        ("v=spf1 include:_spf.google.com a/33 -all", "spf_syntax", True),
        ("v=spf1 include:_spf.google.com -all some text", "spf_syntax", True),
        ("v=spf1 include:_spf.google.com redirect=a.example redirect=b.example", "spf_syntax", True),
        ("v=spf1 include:nobody.example include:_spf.google.com ~all", "spf_include_missing", True),
        ("v=spf1 include:_spf.google.com include:nobody.example ~all", "spf_behind_google", False),
        ("v=spf1 include:_spf.google.com" + " a:host.example" * 9 + " ~all", "spf_behind_google", False),
        ("v=spf1" + " a:host.example" * 9 + " include:_spf.google.com ~all", "spf_too_many_lookups", True),
        ("v=spf1 include:_spf.google.com +all", "spf_everybody", False),
        ("v=spf1 include:down.example include:_spf.google.com ~all", "no_answer", False),
    ],
)
def test_only_what_receivers_reach_before_google_closes_a_domain(
    senders: World, server: NameServer, lookup: DnsResolver, record: str, code: str, closes: bool
):
    good(server)
    server.add("host.example", "A", "203.0.113.1")
    server.add(DOMAIN, "MX", "10 host.example.")
    server.trouble("down.example", SERVFAIL)
    server.txt(DOMAIN, record)
    for hours in (0, 72):
        later(senders, hours)
        look(senders, lookup)
    assert stored(senders)["spf"] == code
    assert gates(senders) == ({DOMAIN: code} if closes else {})


@pytest.mark.parametrize(
    ("record", "code", "closes"),
    [
        ("V=DMARC1; p=none", "ok", False),
        ("v=DMARC1", "dmarc_without_policy", False),
        ("v=DMARC1; p=block; rua=mailto:dmarc@warm.example", "dmarc_invalid_policy", False),
        ("v=DMARC1; p=block", "dmarc_policy", True),
        ("v=dmarc1; p=none", "dmarc_missing", True),
    ],
)
def test_only_a_record_that_receivers_ignore_closes_a_domain(
    senders: World, server: NameServer, lookup: DnsResolver, record: str, code: str, closes: bool
):
    good(server)
    server.txt(f"_dmarc.{DOMAIN}", record)
    for hours in (0, 72):
        later(senders, hours)
        look(senders, lookup)
    assert stored(senders)["dmarc"] == code
    assert gates(senders) == ({DOMAIN: code} if closes else {})


def test_a_warning_ends_a_bad_time_as_an_ok_does(senders: World, server: NameServer, lookup: DnsResolver):
    good(server)
    server.txt(DOMAIN)
    look(senders, lookup)
    later(senders, 72)
    look(senders, lookup)
    assert gates(senders) == {DOMAIN: "spf_missing"}
    server.txt(DOMAIN, "v=spf1 include:_spf.google.com include:nobody.example ~all")
    look(senders, lookup)
    assert gates(senders) == {}


def test_an_ok_between_begins_the_time_anew(senders: World, server: NameServer, lookup: DnsResolver):
    good(server)
    server.txt(DOMAIN)
    look(senders, lookup)
    later(senders, 71)
    good(server)
    look(senders, lookup)
    server.txt(DOMAIN)
    look(senders, lookup)
    later(senders, 70)
    look(senders, lookup)
    assert gates(senders) == {}


def test_a_bad_dkim_key_closes_nothing(senders: World, server: NameServer, lookup: DnsResolver):
    good(server)
    server.txt(f"google._domainkey.{DOMAIN}")
    look(senders, lookup)
    later(senders, 100)
    look(senders, lookup)
    assert gates(senders) == {}


def test_a_gate_says_what_to_do(senders: World):
    with senders.store.engine.begin() as connection:
        for hours in (0, 72):
            store_findings(
                connection,
                DOMAIN,
                {DnsRecord.SPF: make_finding("spf_missing"), DnsRecord.DMARC: make_finding("dmarc_missing")},
            )
            connection.exec_driver_sql(
                f"UPDATE gmail_warmup.domain_check SET bad_since = bad_since - interval '{hours} hours'"
            )
        gate = load_gated_domains(connection)[DOMAIN]
    assert gate.code == "spf_missing"
    assert gate.message.startswith("warm.example is not sent from: There is no SPF record. Receivers ")
    assert gate.remedy.startswith('Publish one TXT record at warm.example: "v=spf1 include:_spf.google.com ~all"')
    assert gate.remedy.endswith("gmail-warmup dns")


def test_the_doctor_tells_of_bad_records(senders: World):
    ground = DoctorContext(services(senders), None)
    assert check_domain_records(ground)[0] is Status.OK
    with senders.store.engine.begin() as connection:
        store_findings(connection, DOMAIN, {DnsRecord.SPF: make_finding("spf_missing")})
    assert check_domain_records(ground)[:2] == (Status.WARNING, "Bad DNS records: warm.example (spf).")
    later(senders, 72)
    with senders.store.engine.begin() as connection:
        store_findings(connection, DOMAIN, {DnsRecord.SPF: make_finding("spf_missing")})
    status, text, step = check_domain_records(ground)
    assert status is Status.PROBLEM
    assert text.startswith("warm.example is not sent from: There is no SPF record.")
    assert "v=spf1" in step


def test_the_doctor_tells_of_warnings(senders: World):
    with senders.store.engine.begin() as connection:
        store_findings(connection, DOMAIN, {DnsRecord.DKIM: make_finding("dkim_short_key")})
    status, text, _ = check_domain_records(DoctorContext(services(senders), None))
    assert (status, text) == (Status.WARNING, "DNS records with warnings: warm.example (dkim).")


@pytest.mark.parametrize(("value", "servers"), [
    ("", []), ("192.0.2.53", [("192.0.2.53", 53)]), ("192.0.2.53:5353, 2001:db8::53",
                                                     [("192.0.2.53", 5353), ("2001:db8::53", 53)]),
])  # fmt: skip
def test_name_servers_of_the_settings(value: str, servers: list[tuple[str, int]]):
    assert Settings(dns_nameservers=value).name_servers == servers


def test_a_name_server_by_name_is_refused():
    with pytest.raises(ConfigurationError, match=r"DNS_NAMESERVERS: .*must list IP addresses"):
        validate_settings({"dns_nameservers": "ns.example.com"})
