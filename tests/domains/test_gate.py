"""A bad record stops no domain whose mail Google authenticates."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import AuthenticationMethod, DnsRecord
from gmail_warmup.db.models import DomainAuthentication
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.domains import check_domain_records
from gmail_warmup.doctor.result import Status
from gmail_warmup.domains.gate import GATED_DOMAINS, load_confirmed_records, load_gated_domains
from gmail_warmup.domains.reasons import make_finding
from gmail_warmup.domains.store import delete_other_domains, store_findings
from support.workers import services
from support.world import World

DOMAIN = "warm.example"
BAD = {DnsRecord.SPF: "spf_missing", DnsRecord.DMARC: "dmarc_missing", DnsRecord.DKIM: "dkim_missing"}


@pytest.fixture
def bad(world: World) -> World:
    """Return a world with a domain whose records have been bad for 80 hours."""
    world.add(f"ada@{DOMAIN}", kind="warmup")
    return world


def find_bad(world: World, *records: DnsRecord, hours: int = 80) -> None:
    """Store that records were found bad, at first before these hours and then now."""
    findings = {record: make_finding(BAD[record]) for record in records}
    with world.store.engine.begin() as connection:
        store_findings(connection, DOMAIN, findings)
        connection.execute(
            sa.text("UPDATE gmail_warmup.domain_check SET bad_since = bad_since - make_interval(hours => :hours)"),
            {"hours": hours},
        )
        store_findings(connection, DOMAIN, findings)


def report(world: World, method: AuthenticationMethod, result: str, *, hours: float = 1, failures: int = 0) -> None:
    """Store what Google reported, with a last pass some hours ago."""
    passed_at = sa.func.now() - timedelta(hours=hours)
    with world.store.engine.begin() as connection:
        connection.execute(
            sa.insert(DomainAuthentication).values(
                domain=DOMAIN, method=method, result=result, seen_at=sa.func.now(), passed_at=passed_at,
                failures=failures,
            )
        )  # fmt: skip


def gated(world: World) -> set[str]:
    with world.store.engine.connect() as connection:
        assert set(connection.scalars(GATED_DOMAINS)) == load_gated_domains(connection).keys()
        return set(load_gated_domains(connection))


def confirmed(world: World) -> set[tuple[str, str]]:
    with world.store.engine.connect() as connection:
        return set(load_confirmed_records(connection))


@pytest.mark.parametrize(
    ("record", "result", "hours", "failures", "stopped"),
    [
        (DnsRecord.SPF, "pass", 1, 0, False),
        (DnsRecord.DMARC, "pass", 1, 0, False),
        (DnsRecord.SPF, "pass", 79, 0, False),
        (DnsRecord.SPF, "pass", 81, 0, True),
        (DnsRecord.SPF, "pass", 1, 2, True),
        (DnsRecord.SPF, "softfail", 1, 1, True),
        (DnsRecord.DMARC, "none", 1, 0, True),
        (DnsRecord.DMARC, "fail", 1, 1, True),
    ],
)  # fmt: skip
def test_a_pass_since_the_record_is_bad_lets_the_domain_send(
    bad: World, record: DnsRecord, result: str, hours: float, failures: int, stopped: bool
):
    find_bad(bad, record)
    assert gated(bad) == {DOMAIN}
    report(bad, AuthenticationMethod(record.value), result, hours=hours, failures=failures)
    assert gated(bad) == ({DOMAIN} if stopped else set())
    assert confirmed(bad) == (set() if stopped else {(DOMAIN, record.value)})


def test_a_pass_counts_for_seven_days(bad: World):
    find_bad(bad, DnsRecord.SPF, hours=400)
    report(bad, AuthenticationMethod.SPF, "pass", hours=7 * 24 + 1)
    assert gated(bad) == {DOMAIN}


def test_a_pass_counts_for_its_own_record_only(bad: World):
    find_bad(bad, DnsRecord.SPF, DnsRecord.DMARC)
    report(bad, AuthenticationMethod.SPF, "pass")
    assert gated(bad) == {DOMAIN}
    report(bad, AuthenticationMethod.DMARC, "pass")
    assert gated(bad) == set()


def test_a_failure_alone_stops_nothing(bad: World):
    for method in AuthenticationMethod:
        report(bad, method, "fail", failures=50)
    assert gated(bad) == set()


def test_the_doctor_tells_that_google_authenticates_the_mail(bad: World):
    find_bad(bad, DnsRecord.SPF)
    report(bad, AuthenticationMethod.SPF, "pass")
    status, text = check_domain_records(DoctorContext(services(bad), None))[:2]
    assert status is Status.OK
    assert text == "Google reports a pass, so sending continues despite bad DNS records: warm.example (spf)."


def test_reports_of_domains_that_are_not_used_any_more_are_deleted(bad: World):
    report(bad, AuthenticationMethod.SPF, "pass")
    with bad.store.engine.begin() as connection:
        delete_other_domains(connection, [DOMAIN])
        assert connection.scalar(sa.select(sa.func.count()).select_from(DomainAuthentication)) == 1
        delete_other_domains(connection, ["other.example"])
        assert connection.scalar(sa.select(sa.func.count()).select_from(DomainAuthentication)) == 0
