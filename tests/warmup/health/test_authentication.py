"""Three mails in a row that Google does not authenticate are one alert, and the first that passes ends it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from gmail_warmup.alerts.compose import compose_alerts, read_alerts
from gmail_warmup.core.enums import CONSUMER_DOMAINS, AuthenticationMethod, AuthenticationResult
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.grants import check_incidents
from gmail_warmup.doctor.result import Status
from gmail_warmup.domains.authentication import load_domain_reports, load_mailbox_reports
from gmail_warmup.gmail.authentication_results import MethodReport, read_authentication
from gmail_warmup.oauth.incidents import describe_open_incidents
from gmail_warmup.warmup.health.authentication import update_authentication_incidents
from gmail_warmup.warmup.ledger.authentication import record_authentication
from support.workers import services
from support.world import World

PASS = read_authentication(
    ["mx.google.com; spf=pass smtp.mailfrom=warm.example; dkim=pass header.d=warm.example; dmarc=pass"],
    "a@warm.example",
)
FAIL = read_authentication(
    ["mx.google.com; spf=fail smtp.mailfrom=warm.example; dkim=fail header.d=warm.example; dmarc=fail"],
    "a@warm.example",
)
NO_POLICY = read_authentication(["mx.google.com; spf=none smtp.mailfrom=warm.example"], "a@warm.example")
UNDECIDED = tuple(replace(report, result=AuthenticationResult.TEMPERROR, has_failed=None) for report in PASS)


def receive(world: World, mailbox_id: int, *mails: tuple[MethodReport, ...]) -> None:
    for reports in mails:
        with write_transaction(world.store.engine) as connection:
            record_authentication(connection, mailbox_id, reports)


def alerts(world: World) -> list[str]:
    """Do what the task that sends alerts does; return the titles."""
    update_authentication_incidents(world.store.engine)
    return [alert.title for alert in read_alerts(world.store.engine, compose_alerts(world.store.engine))]


def test_three_failures_in_a_row_are_one_alert_that_ends(world: World):
    ada, ben = (world.add(f"{name}@warm.example", kind="warmup") for name in ("ada", "ben"))
    receive(world, ada, FAIL, FAIL, PASS, FAIL, FAIL)
    assert alerts(world) == []
    receive(world, ben, FAIL)
    assert alerts(world) == ["Google does not authenticate mail of warm.example"]
    receive(world, ada, FAIL, UNDECIDED)
    assert alerts(world) == []
    receive(world, ben, PASS)
    assert alerts(world) == ["Over: Google does not authenticate mail of warm.example"]
    assert alerts(world) == []


def test_mail_without_any_record_is_not_authenticated_either(world: World):
    receive(world, world.add("ada@warm.example", kind="warmup"), NO_POLICY, NO_POLICY, NO_POLICY)
    assert alerts(world) == ["Google does not authenticate mail of warm.example"]
    ((body,),) = world.rows("SELECT body FROM gmail_warmup.alert")
    assert "neither SPF nor DKIM passes" in body
    assert "Domain: warm.example" in body
    assert "To do: Run: gmail-warmup dns. Correct the SPF record of warm.example" in body
    assert "continues to send" in body


def test_page_and_doctor_tell_it(world: World):
    receive(world, world.add("ada@warm.example", kind="warmup"), FAIL, FAIL, FAIL)
    alerts(world)
    with read_transaction(world.store.engine) as connection:
        (text,) = describe_open_incidents(connection)
    assert "Google does not authenticate the mail of warm.example: Google reports that the last mails" in text
    status, found, step = check_incidents(DoctorContext(services(world), None))
    assert status is Status.WARNING
    assert found.startswith("Unauthenticated of warm.example since ")
    assert "SPF record of warm.example" in step


def test_an_incident_of_a_domain_that_is_gone_ends(world: World):
    receive(world, world.add("ada@warm.example", kind="warmup"), FAIL, FAIL, FAIL)
    alerts(world)
    world.sql("DELETE FROM gmail_warmup.domain_authentication")
    assert alerts(world) == ["Over: Google does not authenticate mail of warm.example"]


def test_consumer_gmail_has_no_domain_of_its_own(world: World):
    mailbox_id = world.add("ada@warm.example", kind="warmup")
    world.sql("UPDATE gmail_warmup.mailbox SET address = 'ada@' || :domain", domain=CONSUMER_DOMAINS[0])
    receive(world, mailbox_id, FAIL, FAIL, FAIL)
    with read_transaction(world.store.engine) as connection:
        assert load_domain_reports(connection) == {}
        assert [report.failures for report in load_mailbox_reports(connection, [mailbox_id])[mailbox_id]] == [3, 3, 3]
    assert alerts(world) == []


def test_senders_of_one_domain_that_report_at_once_lose_no_mail(world: World):
    ids = [world.add(f"box{number}@warm.example", kind="warmup") for number in range(4)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda mailbox_id: receive(world, mailbox_id, FAIL), ids * 8))
    with read_transaction(world.store.engine) as connection:
        (reports,) = load_domain_reports(connection).values()
    assert {report.method: report.failures for report in reports} == dict.fromkeys(AuthenticationMethod, 32)
