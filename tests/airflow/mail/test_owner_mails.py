"""Mails to owners through an SMTP server, and from a mailbox of the installation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.airflow.mail.owner_mails import build_mailer, send_owner_mails
from gmail_warmup.airflow.services import Services
from gmail_warmup.alerts.outbox import SendCounts
from gmail_warmup.core.errors import ConfigurationError
from support import workers
from support.owner_mail_kit import BASE, OLIVIA, flag, pass_time
from support.smtp_server import MailServer, receiving_mail
from support.world import World

ADA, BOB, WORKS = "ada@warm.example", "bob@warm.example", "works@pool.example"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", BASE)
    with receiving_mail() as found:
        monkeypatch.setenv("AIRFLOW_CONN_OWNERS", found.connection())
        yield found


def make_services(world: World, sender: str, **settings: str) -> Services:
    world.settings = world.settings.model_copy(update={"owner_mail_sender": sender} | settings)
    return workers.services(world)


def test_without_a_sender_nobody_is_mailed(world: World, server: MailServer):
    flag(world, ADA)
    assert send_owner_mails(make_services(world, "")) == SendCounts()
    assert server.mails == []


def test_a_mail_arrives_over_smtp(world: World, server: MailServer):
    flag(world, ADA, BOB)
    assert send_owner_mails(make_services(world, "owners")) == SendCounts(sent=1)
    (mail,) = server.mails
    assert (mail["From"], mail["To"]) == ("airflow@example.com", OLIVIA)
    assert mail["Subject"] == "Please sign in again: 2 mailboxes"
    text = mail.get_content()
    assert text.count(f"{BASE}/gmail-warmup/invite#") == 2
    assert ADA in text


def test_an_operators_template_is_used(world: World, server: MailServer, tmp_path: Path):
    file = tmp_path / "owners.txt"
    file.write_text("Grüße: {mailboxes}\n\nGuten Tag,\n{links}\n.\nEnde", "utf-8")
    flag(world, ADA)
    send_owner_mails(make_services(world, "owners", owner_mail_template=str(file)))
    (mail,) = server.mails
    assert mail["Subject"] == "Grüße: 1 mailbox"
    assert mail.get_content().splitlines()[-2:] == [".", "Ende"]


@pytest.mark.parametrize("fault", ["550 no such user", "451 later", "drops"])
def test_a_server_that_refuses_or_hangs_up_gets_it_later(
    world: World, server: MailServer, caplog: pytest.LogCaptureFixture, fault: str
):
    server.refusal, server.drops = ("", True) if fault == "drops" else (fault, False)
    flag(world, ADA)
    services = make_services(world, "owners")
    assert send_owner_mails(services) == SendCounts(failed=1)
    assert "the server of the Airflow Connection 'owners'" in caplog.text
    assert "invite#" not in caplog.text
    assert send_owner_mails(services) == SendCounts()
    server.refusal, server.drops = "", False
    pass_time(world, minutes=16)
    assert send_owner_mails(services) == SendCounts(sent=1)


def test_a_mail_is_sent_from_a_mailbox_that_works(world: World, server: MailServer):
    flag(world, ADA)
    world.add(WORKS, expired=False)
    world.sandbox.put_mailbox(OLIVIA)
    assert send_owner_mails(make_services(world, WORKS)) == SendCounts(sent=1)
    (mail,) = world.sandbox.mails()
    assert (mail.sender, mail.to, mail.subject) == (WORKS, [OLIVIA], "Please sign in again: 1 mailbox")


FAULTS = [{"name": "gmail.invalid_argument"}, {"name": "gmail.rate_limit_429"}, {"close": True, "when": "before"}]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_mail_that_a_mailbox_could_not_send_leaves_no_draft(world: World, server: MailServer, fault: dict[str, Any]):
    flag(world, ADA)
    world.add(WORKS, expired=False)
    world.sandbox.put_mailbox(OLIVIA)
    world.sandbox.add_fault("gmail.users.drafts.send", times=1, **fault)
    services = make_services(world, WORKS)
    assert send_owner_mails(services) == SendCounts(failed=1)
    assert GmailHook(WORKS, services=services).search_messages("in:drafts", limit=5) == []
    pass_time(world, minutes=16)
    assert send_owner_mails(services) == SendCounts(sent=1)
    assert len(world.sandbox.mails()) == 1


@pytest.mark.parametrize(
    ("sender", "rule"),
    [
        (ADA, "which is paused or does not work. Name another mailbox, or repair it."),
        ("nobody@pool.example", "is not a mailbox of this installation"),
        ("missing", "The Airflow Connection 'missing' .* is missing"),
        ("http", "has the type 'http', not 'smtp'"),
        ("nameless", "names no sender. Set from_email"),
    ],
)
def test_a_sender_that_cannot_be_used_is_named_and_costs_no_link(
    world: World, server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    sender: str, rule: str,
):  # fmt: skip
    monkeypatch.setenv("AIRFLOW_CONN_HTTP", '{"conn_type": "http", "host": "127.0.0.1"}')
    monkeypatch.setenv("AIRFLOW_CONN_NAMELESS", '{"conn_type": "smtp", "host": "127.0.0.1"}')
    services = make_services(world, sender)
    assert send_owner_mails(services) == SendCounts()
    assert "No mail is sent to owners" not in caplog.text, "nobody waits for one"
    flag(world, ADA)
    with pytest.raises(ConfigurationError, match=rule):
        build_mailer(services)
    assert send_owner_mails(services) == SendCounts()
    assert "No mail is sent to owners" in caplog.text
    assert world.rows("SELECT count(*) FROM gmail_warmup.invite") == [(0,)]
