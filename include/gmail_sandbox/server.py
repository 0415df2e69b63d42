"""Running the sandbox: in the foreground, or in the background of a test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import uvicorn

from gmail_sandbox.app import SandboxApp, create_app
from gmail_sandbox.client import SandboxClient
from gmail_sandbox.settings import Settings

Protocol = Literal["auto", "h11", "httptools"]
_START_SECONDS = 15


class PortTaken(RuntimeError):
    """The address cannot be listened on."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises PortTaken with the remedy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise PortTaken(
            f"cannot listen on {host}:{port} ({error.strerror}); stop what uses it, or choose another with --port"
        ) from error
    return sock


def server_for(app: SandboxApp, log_level: str = "warning", protocol: Protocol = "auto") -> uvicorn.Server:
    """Return a uvicorn server; `protocol` is its HTTP implementation.

    The access log stays off: a query string may hold a token. Hung answers do not hold up the end.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        log_level=log_level,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return uvicorn.Server(config)


@contextmanager
def running(
    settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0, protocol: Protocol = "auto"
) -> Iterator[SandboxClient]:
    """Run a sandbox in a background thread; yield its control client, whose `base_url` names the port."""
    sock = listen(host, port)
    server = server_for(create_app(settings), protocol=protocol)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="gmail-sandbox", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.01)
        with SandboxClient(f"http://{host}:{sock.getsockname()[1]}") as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        sock.close()
