"""What the Connection of a receiver may contain."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.alerts.webhooks.receivers import (
    CHOOSABLE_EVENTS,
    UnusableReceiver,
    build_receiver,
    generate_secret,
    register_receivers,
)
from gmail_warmup.core.errors import ConfigurationError
from support.webhook_kit import SECRET, fetch

URL = "https://hooks.example.com/gmail?key=hunter2"


def build(**values: Any):
    defaults: dict[str, Any] = {"url": URL, "signing_secrets": [SECRET], "events": None, "allow_private": False}
    return build_receiver("desk", **defaults | values)


def encode(number: int) -> str:
    return "whsec_" + base64.b64encode(bytes(range(number))).decode()


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"url": ""}, "its host is not a URL"),
        ({"url": "hooks.example.com"}, "its host is not a URL"),
        ({"url": "ftp://hooks.example.com"}, "its host is not a URL"),
        ({"url": "https://"}, "its host is not a URL"),
        ({"url": "https://hooks.example.com:port/"}, "its host is not a URL"),
        ({"url": "https://hooks.example.com:70000/"}, "its host is not a URL"),
        ({"url": "https://hooks.example.com/a b"}, "its host is not a URL"),
        ({"url": "https://hooks.example.com/\n"}, "its host is not a URL"),
        ({"url": "https://[::1"}, "its host is not a URL"),
        ({"url": "https://hooks..example.com/"}, "its host is not a URL"),
        ({"url": f"https://{'a' * 64}.example.com/"}, "its host is not a URL"),
        ({"url": "https://xn--a.example.com/"}, "its host is not a URL"),
        ({"url": "https://\u0661\u0662.0.0.1/"}, "its host is not a URL"),
        ({"url": "http://hooks.example.com/"}, "its URL begins with http://"),
        ({"signing_secrets": []}, "it has no password"),
        ({"signing_secrets": ["hunter2"]}, "its password is not whsec_"),
        ({"signing_secrets": [SECRET.removeprefix("whsec_")]}, "its password is not whsec_"),
        ({"signing_secrets": ["whsec_" + "!" * 40]}, "its password is not whsec_"),
        ({"signing_secrets": ["whsec_\u00e9"]}, "its password is not whsec_"),
        ({"signing_secrets": [encode(23)]}, "its password is not whsec_"),
        ({"signing_secrets": [encode(65)]}, "its password is not whsec_"),
        ({"signing_secrets": [SECRET, "whsec_"]}, "its password is not whsec_"),
        ({"events": ["mailbox.exploded"]}, "'mailbox.exploded' is no event"),
        ({"events": ["webhook.test"]}, "'webhook.test' is no event"),
        ({"events": []}, "its list of events is empty"),
    ],
)
def test_a_wrong_value_is_named_with_the_remedy_and_without_secrets(values: dict[str, Any], what: str):
    with pytest.raises(ConfigurationError) as caught:
        build(**values)
    text = str(caught.value)
    assert text.startswith("The Airflow Connection 'desk' (receiver of webhooks) cannot be used: ")
    assert what in text
    assert "hunter2" not in text.replace("gmail-warmup webhooks secret", "")
    assert SECRET not in text


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"url": "https://hooks.example.com:8443"},
        {"url": "https://user:password@hooks.example.com/"},
        {"url": "https://192.0.2.1/"},
        {"url": "http://localhost:9000/", "allow_private": True},
        {"signing_secrets": [encode(24)]},
        {"signing_secrets": [encode(64), SECRET]},
        {"signing_secrets": [generate_secret()]},
        {"events": ["mailbox.ready"]},
    ],
)
def test_a_good_value_is_accepted(values: dict[str, Any]):
    assert build(**values).conn_id == "desk"


def test_neither_url_nor_secret_is_shown():
    assert "hunter2" not in repr(build())
    assert SECRET not in repr(build())


def test_a_receiver_is_registered_changed_and_removed(database: sa.Engine):
    def registered() -> list[Any]:
        return fetch(database, "SELECT conn_id, events, problem FROM gmail_warmup.webhook_receiver")

    register_receivers(database, [build()])
    assert registered() == [("desk", list(CHOOSABLE_EVENTS), None)]
    register_receivers(database, [build(events=["mailbox.ready"])])
    assert registered() == [("desk", ["mailbox.ready"], None)]
    broken = UnusableReceiver(conn_id="desk", problem="It is missing.")
    register_receivers(database, [broken])
    assert registered() == [("desk", ["mailbox.ready"], "It is missing.")], "so that its events are still recorded"
    register_receivers(database, [])
    assert registered() == []
    register_receivers(database, [broken])
    assert registered() == [("desk", [], "It is missing.")], "it never got an event"
