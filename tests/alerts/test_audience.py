"""Receivers that are limited to tags or owners get the alerts about their mailboxes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.airflow.notifier import build_sender, send_alerts
from gmail_warmup.airflow.services import Services
from gmail_warmup.alerts.audience import parse_audience
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import MailboxTag
from gmail_warmup.oauth.grant import Actor
from support.alert_kit import CONN_ID, Receiver, Scene, listening

ADA, BOB, EVE = "ada@one.example", "bob@two.example", "eve@two.example"
OLIVIA = "olivia@example.com"


@pytest.fixture
def services(database: sa.Engine) -> Services:
    made = Services(Actor(name="test"))
    made.__dict__.update(settings=Settings(), engine=database)
    return made


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Receiver]]:
    """Run a receiver without a limit, one for a tag and one for an owner."""
    with ExitStack() as stack:
        found = {only: stack.enter_context(listening()) for only in ("", "tag:Sales", f"owner:{OLIVIA}, tag:north")}
        configure(monkeypatch, *({"path": one.url()} | ({"only": only} if only else {}) for only, one in found.items()))
        yield found


def configure(monkeypatch: pytest.MonkeyPatch, *entries: dict[str, Any]) -> None:
    value = {"conn_type": "apprise", "extra": {"config": list(entries)}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(value))


def make_scene(database: sa.Engine) -> Scene:
    """Ada is tagged sales, Bob belongs to Olivia, Eve to nobody; all three are flagged."""
    scene = Scene(database)
    scene.down(ADA, BOB, EVE)
    with database.begin() as connection:
        connection.execute(sa.insert(MailboxTag).values(mailbox_id=scene.ids[ADA], tag="sales"))
        statement = sa.text("UPDATE gmail_warmup.mailbox SET owner_email = :owner WHERE address = :address")
        connection.execute(statement, {"owner": OLIVIA, "address": BOB})
    return scene


def addresses_in(receiver: Receiver) -> list[list[str]]:
    texts = [f"{message['title']} {message['message']}" for message in receiver.messages]
    return [[address for address in (ADA, BOB, EVE) if address in text] for text in texts]


def test_each_receiver_gets_the_mailboxes_that_it_is_for(
    database: sa.Engine, services: Services, receivers: dict[str, Receiver]
):
    scene = make_scene(database)
    scene.incident("outage", "unreachable")
    sent = send_alerts(services)
    assert (len(sent.new_alert_ids), sent.sent) == (2, 4)
    everything, sales, olivia = map(addresses_in, receivers.values())
    assert [one for one in everything if one] == [[ADA, BOB, EVE]]
    assert (sales, olivia) == ([[ADA]], [[BOB]])
    assert len(everything) == 2, "an incident goes to the receivers without a limit"
    scene.up(BOB)
    send_alerts(services)
    assert [len(addresses_in(one)) for one in receivers.values()] == [3, 1, 2]


def test_a_receiver_that_is_down_holds_up_no_other_audience(
    database: sa.Engine, services: Services, receivers: dict[str, Receiver]
):
    make_scene(database)
    everything, sales, olivia = receivers.values()
    sales.status = 500
    assert send_alerts(services).failed == 1
    assert (len(everything.messages), len(olivia.messages)) == (1, 1)
    sales.status = 200
    Scene(database).later(1)
    send_alerts(services)
    assert [len(one.messages) for one in receivers.values()] == [1, 1, 1]


def test_without_a_receiver_for_all_nothing_fails(
    database: sa.Engine, services: Services, monkeypatch: pytest.MonkeyPatch
):
    make_scene(database)
    with listening() as receiver:
        configure(monkeypatch, {"path": receiver.url(), "only": "tag:sales"})
        done = send_alerts(services)
        assert (done.sent, done.failed) == (1, 0)
        assert addresses_in(receiver) == [[ADA]]
        assert build_sender(CONN_ID) is None


@pytest.mark.parametrize(
    ("only", "rule"),
    [
        ("sales", "'sales' names no mailboxes; write tag:NAME or owner:ADDRESS"),
        ("", "names no mailboxes"),
        ("tag:", "A tag must not be empty"),
        ("tag:" + "x" * 200, "a tag has at most 50"),
        ("owner:olivia", "'olivia' is not a mail address"),
        ("tag:a,team:b", "'team:b' names no mailboxes"),
    ],
)
def test_a_wrong_limit_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, only: str, rule: str):
    with pytest.raises(InvalidInputError, match=rule):
        parse_audience(only)
    configure(monkeypatch, {"path": "json://user:hunter2@127.0.0.1:9/", "only": only})
    with pytest.raises(ConfigurationError, match="'only' of entry 1 of 'config'") as caught:
        build_sender(CONN_ID)
    assert "hunter2" not in str(caught.value)


def test_an_audience_has_one_form():
    assert parse_audience("tag: B,owner:Olivia@Example.com,  tag:b") == "owner:olivia@example.com,tag:b"
