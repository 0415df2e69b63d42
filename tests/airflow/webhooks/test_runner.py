"""A task reads the receivers from Airflow Connections and delivers; one bad Connection stops no other receiver."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.airflow.provider_info import get_provider_info
from gmail_warmup.airflow.services import Services
from gmail_warmup.airflow.webhooks.connections import load_listed_receiver, load_receivers
from gmail_warmup.airflow.webhooks.receiver_hook import WebhookReceiverHook
from gmail_warmup.airflow.webhooks.runner import send_webhooks
from gmail_warmup.alerts.outbox import SendCounts
from gmail_warmup.alerts.webhooks.receivers import CHOOSABLE_EVENTS, Receiver, UnusableReceiver
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.grant import Actor
from support.metrics_kit import KeptMeter
from support.webhook_kit import SECRET, Inbox, add_mailbox, fetch, flag, receiving, to_connection

ADA = "ada@one.example"
HTTPS = {"conn_type": "gmail_webhook", "host": "https://hooks.example.com/x", "password": SECRET}


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch):
    with receiving() as found:
        monkeypatch.setenv("AIRFLOW_CONN_DESK", to_connection(found))
        yield found


@pytest.fixture
def services(database: sa.Engine) -> Services:
    made = Services(Actor(name="test"))
    settings = Settings(webhook_conn_ids="desk, lost", webhook_private_addresses=True)
    made.__dict__.update(settings=settings, engine=database, meter=KeptMeter())
    return made


def read(monkeypatch: pytest.MonkeyPatch, value: dict[str, Any]) -> Receiver | UnusableReceiver:
    monkeypatch.setenv("AIRFLOW_CONN_DESK", json.dumps(value))
    (found,) = load_receivers(Settings(webhook_conn_ids="desk"))
    return found


@pytest.mark.parametrize(
    ("value", "url", "events"),
    [
        (HTTPS, "https://hooks.example.com/x", CHOOSABLE_EVENTS),
        (HTTPS | {"extra": {"events": ["mailbox.ready"]}}, "https://hooks.example.com/x", ("mailbox.ready",)),
        (HTTPS | {"extra": {"events": "mailbox.ready, mailbox.removed"}}, "https://hooks.example.com/x",
         ("mailbox.ready", "mailbox.removed")),
        (HTTPS | {"extra": {"events": ""}}, "https://hooks.example.com/x", CHOOSABLE_EVENTS),
        (HTTPS | {"conn_type": "http", "host": "hooks.example.com", "schema": "https", "port": 8443},
         "https://hooks.example.com:8443", CHOOSABLE_EVENTS),
    ],
)  # fmt: skip
def test_a_connection_is_read(value: dict[str, Any], url: str, events: Any, monkeypatch: pytest.MonkeyPatch):
    found = read(monkeypatch, value)
    assert isinstance(found, Receiver), found
    assert (found.url, found.events) == (url, tuple(events))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (HTTPS | {"conn_type": "apprise"}, "its type is 'apprise'"),
        (HTTPS | {"password": None}, "it has no password"),
        (HTTPS | {"host": None}, "its host is not a URL"),
        (HTTPS | {"extra": {"events": 5}}, "'events' in its extra is not a list"),
        (HTTPS | {"extra": {"events": [None]}}, "'None' is no event"),
        (HTTPS | {"extra": "[1]"}, "is not a JSON object"),
    ],
)
def test_a_malformed_connection_is_named(value: dict[str, Any], problem: str, monkeypatch: pytest.MonkeyPatch):
    found = read(monkeypatch, value)
    assert isinstance(found, UnusableReceiver)
    assert problem in found.problem
    assert SECRET not in found.problem


def test_one_missing_connection_stops_no_other_receiver(
    services: Services, inbox: Inbox, caplog: pytest.LogCaptureFixture
):
    send_webhooks(services)
    flag(services.engine, add_mailbox(services.engine, ADA))
    assert send_webhooks(services) == SendCounts(sent=1)
    assert [payload["data"]["address"] for payload in inbox.payloads] == [ADA]
    assert "The Airflow Connection 'lost' (receiver of webhooks) cannot be used: it is missing." in caplog.text
    problems = dict(fetch(services.engine, "SELECT conn_id, problem FROM gmail_warmup.webhook_receiver"))
    assert problems["desk"] is None
    assert "it is missing" in problems["lost"]
    meter = services.meter
    assert isinstance(meter, KeptMeter)
    assert meter.counts["gmail_warmup.webhook.sent"] == 1


def test_only_a_listed_receiver_gets_a_test(inbox: Inbox):
    settings = Settings(webhook_conn_ids="desk", webhook_private_addresses=True)
    assert load_listed_receiver("desk", settings).url == inbox.url
    with pytest.raises(InvalidInputError, match="'other' is not a receiver of webhooks"):
        load_listed_receiver("other", settings)


def test_the_test_button_of_airflow_sends_a_signed_test(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    hook = WebhookReceiverHook("desk")
    works, text = hook.test_connection()
    assert not works
    assert "http://" in text
    monkeypatch.setenv("AIRFLOW__GMAIL_WARMUP__WEBHOOK_PRIVATE_ADDRESSES", "True")
    assert hook.test_connection() == (True, "The receiver accepted a test.")
    assert inbox.types == ["webhook.test"]


def test_the_connection_type_is_known_to_airflow():
    types = {kind["connection-type"]: kind for kind in get_provider_info()["connection-types"]}
    module, _, name = types["gmail_webhook"]["hook-class-name"].rpartition(".")
    assert (module, name) == (WebhookReceiverHook.__module__, "WebhookReceiverHook")
