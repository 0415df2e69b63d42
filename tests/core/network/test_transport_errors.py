"""Errors of every HTTP client: a certificate that is not trusted, a proxy that fails, and everything else."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import google.auth.transport.requests
import httplib2
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gmail_warmup.core.network.client import open_client
from gmail_warmup.core.network.transport_errors import classify_transport_error

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
Get = Callable[[str], object]


def get_with_httpx(url: str) -> object:
    with open_client(url, connect_timeout=60, read_timeout=60) as http:
        return http.get(url)


def get_with_aiohttp(url: str) -> object:
    async def get() -> int:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(trust_env=True, timeout=timeout) as http, http.get(url) as response:
            return response.status

    return asyncio.run(get())


def get_with_requests(url: str) -> object:
    return requests.get(url, timeout=60)


def get_with_google_auth(url: str) -> object:
    return google.auth.transport.requests.Request()(url, timeout=60)


def get_with_httplib2(url: str) -> object:
    return httplib2.Http(timeout=60).request(url)


CLIENTS: list[Get] = [get_with_httpx, get_with_aiohttp, get_with_requests, get_with_google_auth]
each_client = pytest.mark.parametrize("get", [*CLIENTS, get_with_httplib2], ids=lambda get: get.__name__)
each_client_with_proxy = pytest.mark.parametrize("get", CLIENTS, ids=lambda get: get.__name__)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def failure(get: Get, url: str) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011  every client has its own
        get(url)
    return classify_transport_error(caught.value)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port on which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Answer each connection in a thread; yield the port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    answer(connection)
                except OSError:
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate with its key, in one file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    return path


@each_client
def test_a_certificate_that_is_not_trusted(get: Get, certificate: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def shake_hands(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(1)

    with serving(shake_hands) as port:
        assert failure(get, f"https://localhost:{port}/") == "tls_untrusted"


@each_client
def test_a_server_that_nobody_answers_for(get: Get, closed_port: int):
    assert failure(get, f"http://127.0.0.1:{closed_port}/") == "unreachable"


@each_client
def test_a_connection_that_is_cut(get: Get):
    with serving(lambda connection: None) as port:
        assert failure(get, f"http://127.0.0.1:{port}/") == "unreachable"


@each_client_with_proxy
def test_a_proxy_that_nobody_answers_for(get: Get, closed_port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    assert failure(get, "https://google.example/") == "proxy_failed"


@each_client_with_proxy
@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
def test_a_proxy_that_refuses(get: Get, status: str, monkeypatch: pytest.MonkeyPatch):
    def refuse(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with serving(refuse) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert failure(get, "https://google.example/") == "proxy_failed"


def test_an_error_that_refers_to_itself_ends():
    error = OSError("x")
    error.__cause__ = error
    assert classify_transport_error(error) == "unreachable"
