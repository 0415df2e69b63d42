"""A private address gets nothing, in whatever notation and whatever name resolves to it."""

from __future__ import annotations

import socket
import threading
from typing import Any

import httpx
import pytest

from gmail_warmup.alerts.webhooks.messages import build_test_message
from gmail_warmup.alerts.webhooks.receivers import Receiver, build_receiver
from gmail_warmup.alerts.webhooks.sender import WebhookDeliveryError, WebhookSender
from gmail_warmup.core.network.client import open_client
from support.webhook_kit import SECRET, Inbox, receiving


def receiver_at(url: str) -> Receiver:
    return build_receiver("desk", url=url, signing_secrets=[SECRET], events=None, allow_private=True)


def send(url: str, *, allow_private: bool = False) -> str:
    """Send a test; return the failure, or an empty text."""
    sender = WebhookSender(receiver_at(url), timeout=2, allow_private=allow_private)
    try:
        sender.send(build_test_message())
    except WebhookDeliveryError as error:
        return str(error)
    finally:
        sender.close()
    return ""


@pytest.fixture(scope="module")
def inbox():
    with receiving() as found:
        yield found


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]",
             "0.0.0.0", "169.254.169.254"]
)  # fmt: skip
def test_a_private_address_gets_nothing(host: str, inbox: Inbox):
    assert "private, link-local or loopback address" in send(f"http://{host}:{inbox.port}/hook")
    assert not inbox.attempts


def test_a_name_that_resolves_to_a_private_address_only_at_the_time_of_connecting_gets_nothing(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
):
    answers = iter(["93.184.215.14"])

    def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        address = next(answers, "127.0.0.1") if host == "rebind.example" else host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    socket.getaddrinfo("rebind.example", inbox.port)
    assert "private, link-local or loopback address" in send(f"http://rebind.example:{inbox.port}/hook")
    assert not inbox.attempts


def test_the_setting_allows_it(inbox: Inbox):
    assert send(inbox.url, allow_private=True) == ""
    assert inbox.types == ["webhook.test"]


def test_no_certificate_is_trusted_that_the_machine_does_not_trust(inbox: Inbox):
    assert "cannot be reached" in send(inbox.url.replace("http", "https"), allow_private=True)


def test_a_private_address_behind_a_proxy_gets_nothing(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{inbox.port}")
    monkeypatch.setenv("NO_PROXY", "")
    assert "private, link-local or loopback address" in send("http://169.254.169.254/latest/meta-data")


def test_resolving_the_host_for_a_proxy_counts_for_the_deadline(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{inbox.port}")
    monkeypatch.setenv("NO_PROXY", "")
    resolve = socket.getaddrinfo

    def resolve_late(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "slow.example":
            return list(resolve(host, *args, **kwargs))
        threading.Event().wait(0.5)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_late)
    before = dict(inbox.attempts)
    with (
        open_client("http://slow.example/", connect_timeout=0.2, read_timeout=0.2, public_only=True) as http,
        pytest.raises(httpx.TransportError, match="deadline"),
    ):
        http.post("http://slow.example/hook", content="{}")
    assert inbox.attempts == before
