"""Servers for tests of the network configuration: a TLS server with its own CA, and a proxy that counts."""

from __future__ import annotations

import gzip
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "google.test"
"""A name without an address: only a proxy can connect to it."""

ANSWER = json.dumps(
    {
        "access_token": "ya29.made-up",
        "expires_in": 3599,
        "scope": "https://www.googleapis.com/auth/gmail.modify",
        "id": "1",
        "kind": "admin#directory#users",
        "signedJwt": "made.up.jwt",
        "emailAddress": "ada@pool.example",
        "historyId": "1",
        "choices": [{"message": {"content": "A sentence of the server."}}],
    }
).encode()
"""An answer that every client accepts."""


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """A CA that signed the certificate of a server."""

    authority: Path
    server: Path
    """The certificate of the server and its key."""


def make_certificates(folder: Path) -> Certificates:
    """Make a CA, and a certificate of it for this machine and ``NAME``."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Corporation CA")])
    ca = (
        _builder("Example Corporation CA", ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName(NAME), x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    leaf = (
        _builder(NAME, ca_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    found = Certificates(authority=folder / "ca.pem", server=folder / "server.pem")
    found.authority.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    found.server.write_bytes(plain + leaf.public_bytes(serialization.Encoding.PEM))
    return found


def _builder(subject: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


@dataclass
class Server:
    """A server of this machine that answers every request alike, and counts them."""

    port: int = 0
    tls: bool = False
    requests: list[str] = field(default_factory=list)
    """The path of each request."""
    finished: list[str] = field(default_factory=list)
    """The path of each request whose answer was sent to its end."""

    @property
    def root(self) -> str:
        """Return its address."""
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    @property
    def named_root(self) -> str:
        """Return an address that only a proxy reaches."""
        return f"{'https' if self.tls else 'http'}://{NAME}:{self.port}"


Answer = Callable[[BaseHTTPRequestHandler], None]


def send_answer(handler: BaseHTTPRequestHandler) -> None:
    """Answer at once."""
    _send(handler, ANSWER)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    """Redirect to another path of the server."""
    handler.send_response(307)
    handler.send_header("Location", "/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def send_huge_answer(handler: BaseHTTPRequestHandler) -> None:
    """Send an answer of a gigabyte, as far as the client reads it."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b" " * 1_000_000)


def send_compressed_answer(handler: BaseHTTPRequestHandler) -> None:
    """Answer as expected, compressed."""
    _send(handler, gzip.compress(ANSWER), encoding="gzip")


def send_bomb(handler: BaseHTTPRequestHandler) -> None:
    """Send 100 kB that decompress to 100 MB."""
    _send(handler, gzip.compress(b" " * 100_000_000, 1), encoding="gzip")


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    """Send one byte of the body every 0.1 s, for a minute."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    _drip(handler)


def drip_headers(handler: BaseHTTPRequestHandler) -> None:
    """Send one byte of a header every 0.1 s, for a minute."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drip(handler)


def _drip(handler: BaseHTTPRequestHandler) -> None:
    for _ in range(600):
        handler.wfile.write(b"x")
        time.sleep(0.1)


def _send(handler: BaseHTTPRequestHandler, body: bytes, *, encoding: str = "") -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    if encoding:
        handler.send_header("Content-Encoding", encoding)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(answer: Answer = send_answer, *, certificates: Certificates | None = None) -> Iterator[Server]:
    """Run a server, with TLS if there are certificates."""
    found = Server(tls=certificates is not None)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with suppress(OSError):
                answer(self)
                found.finished.append(self.path)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    class QuietServer(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            pass  # a client that does not trust the certificate ends the connection

        def finish_request(self, request: socket.socket, client_address: object) -> None:
            if certificates:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(certificates.server)
                request = context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)  # type: ignore[arg-type]

    with QuietServer(("127.0.0.1", 0), Handler) as server, _thread(server.serve_forever):
        found.port = server.server_address[1]
        try:
            yield found
        finally:
            server.shutdown()


@dataclass
class Proxy:
    """An HTTP proxy of this machine. It connects every name to this machine."""

    port: int = 0
    refuses: bool = False
    """Whether it demands a password, with the status 407."""
    targets: list[str] = field(default_factory=list)
    """Host and port of each request that it received."""

    @property
    def url(self) -> str:
        """Return its address."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def proxying() -> Iterator[Proxy]:
    """Run a proxy."""
    found = Proxy()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found.port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_relay, args=(found, client), daemon=True).start()

        with _thread(accept):
            try:
                yield found
            finally:
                listener.shutdown(socket.SHUT_RDWR)


def _relay(proxy: Proxy, client: socket.socket) -> None:
    with client, suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        method, target, _ = head.split(b" ", 2)
        is_tunnel = method == b"CONNECT"
        place = target.decode() if is_tunnel else urlsplit(target.decode()).netloc
        proxy.targets.append(place)
        if proxy.refuses:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2]))) as server:
            if is_tunnel:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head)
            _pump(client, server)


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        for ready in select.select([one, other], [], [], 30)[0]:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)


@contextmanager
def _thread(target: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    yield
    thread.join(10)
