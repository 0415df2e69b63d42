"""A private address gets nothing, in whatever notation and whatever name resolves to it."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest

from gmail_warmup.alerts.webhooks.messages import build_test_message
from gmail_warmup.alerts.webhooks.receivers import Receiver, build_receiver
from gmail_warmup.alerts.webhooks.sender import WebhookDeliveryError, WebhookSender
from gmail_warmup.core.network.client import open_client
from support.network_kit import drip_body, send_bomb, send_huge_answer, serving
from support.webhook_kit import SECRET, Inbox, receiving


def receiver_at(url: str) -> Receiver:
    return build_receiver("desk", url=url, signing_secrets=[SECRET], events=None, allow_private=True)


def send(url: str, *, allow_private: bool = False, timeout: float = 60) -> str:
    """Send a test; return the failure, or an empty text."""
    sender = WebhookSender(receiver_at(url), timeout=timeout, allow_private=allow_private)
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


def send_raw(answer: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a server's answer that consists of these bytes."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer)

    return respond


@pytest.mark.parametrize(
    "answer",
    [
        send_huge_answer,
        send_bomb,
        drip_body,
        send_raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"),
        send_raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nhello"),
        send_raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 50\r\n\r\nhello"),
        send_raw(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nhello"),
    ],
    ids=["huge", "bomb", "drip", "not gzip", "other coding", "cut off", "not chunked"],
)
def test_a_webhook_is_accepted_by_the_status_whatever_the_body_is(answer: Any):
    with serving(answer) as server:
        # The time limit ends the body that never ends.
        assert send(f"{server.root}/hook", allow_private=True, timeout=15) == ""
        assert len(server.requests) == 1


def test_a_refusal_with_a_large_body_keeps_its_status_and_retry_after():
    head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 1000000\r\n\r\n"
    with (
        serving(send_raw(head + b"x" * 1_000_000)) as server,
        closing(WebhookSender(receiver_at(server.root), timeout=60, allow_private=True)) as sender,
        pytest.raises(WebhookDeliveryError) as refused,
    ):
        sender.send(build_test_message())
    assert (str(refused.value), refused.value.retry_after) == ("The receiver answered HTTP 429.", 120)


def test_a_receiver_that_is_gone_is_named_with_the_remedy():
    with serving(send_raw(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")) as server:
        assert "remove it from webhook_conn_ids" in send(server.root, allow_private=True)


def test_no_log_has_the_url_of_a_receiver_at_any_level(inbox: Inbox, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    assert send(f"{inbox.url}?key=hunter2", allow_private=True) == ""
    assert "hunter2" not in caplog.text
    with httpx.Client(timeout=60) as other:
        other.post(f"{inbox.url}?key=seen", content="{}")
    assert "key=seen" in caplog.text, "what others send is logged as before"


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
