"""No route reads a body beyond its limit, whoever sends it, and however it is sent."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from gmail_warmup.transfer.parser import MAX_FILE_BYTES
from gmail_warmup.web.body_limit import API_LIMIT, DEFAULT_LIMIT, IMPORT_LIMIT, find_limit
from web.kit import API, MOUNT, Site, path_of


def send(site: Site, head: str, *parts: bytes) -> tuple[int, str]:
    """Send a request over a socket; return the status of the answer, and the answer."""
    address = urlsplit(site.origin)
    answer = b""
    with socket.create_connection((str(address.hostname), address.port), timeout=60) as connection:
        with suppress(OSError):  # the server answers, and closes the connection, before it has read everything
            connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n")
            for part in parts:
                connection.sendall(part)
        with suppress(ConnectionResetError):
            while data := connection.recv(65536):
                answer += data
                if b"\r\n\r\n" in answer and b"too large" in answer:
                    break
    return int(answer.split(b" ", 2)[1]), answer.decode()


def test_every_route_refuses_a_huge_body_before_it_is_sent(site: Site):
    for route in site.routes:
        for method in set(route["methods"] or ()) - {"HEAD", "GET"}:
            head = f"{method} {path_of(route)} HTTP/1.1\nHost: x\nContent-Type: application/json\n"
            status, answer = send(site, f"{head}Content-Length: 300000000\n")
            assert status == 413, f"{method} {route['path']}: {answer}"
            assert "too large" in answer


@pytest.mark.parametrize("path", ["/invite", "/invite/look", "/oauth/callback", "/", "/static/app.css", "/unknown"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_public_routes_and_pages_take_4_kib(site: Site, method: str, path: str):
    head = f"{method} {MOUNT}{path} HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked\n"
    at_limit = chunk(b" " * DEFAULT_LIMIT)
    assert send(site, head, at_limit, b"0\r\n\r\n")[0] != 413
    status, answer = send(site, head, at_limit, chunk(b" "))
    assert status == 413
    assert f"{DEFAULT_LIMIT} bytes" in answer
    assert "X-Content-Type-Options" in answer or "x-content-type-options" in answer


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_the_api_answers_with_a_problem_document(site: Site):
    body = b" " * (API_LIMIT + 1)
    with site.stranger() as browser:
        answer = browser.post(f"{API}/mailboxes/pause", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:gmail-warmup:problem:content-too-large"


def test_what_the_page_sends_is_below_the_limits(site: Site, op: httpx.Client):
    longest = f"{'a' * 64}@{'.'.join(['b' * 63] * 3)}.example"
    addresses = [f"{number:04}{longest[4:]}" for number in range(1000)]
    assert len(json.dumps({"addresses": addresses})) < API_LIMIT / 2
    header = "address,kind\n"
    file = header + '"",\n' * ((MAX_FILE_BYTES - len(header)) // 4)
    assert len(json.dumps({"text": file})) < IMPORT_LIMIT
    answer = op.post(f"{API}/imports/preview", json={"text": "x" * MAX_FILE_BYTES})
    assert answer.status_code == 422, "read, and found to be no CSV"


def test_a_path_below_an_import_has_its_limit():
    assert find_limit("/api/v1/imports") == find_limit("/api/v1/imports/preview") == IMPORT_LIMIT
    assert find_limit("/api/v1/mailboxes") == API_LIMIT
    assert find_limit("/api") == find_limit("/invite/look") == DEFAULT_LIMIT
