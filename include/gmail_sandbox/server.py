"""Run the sandbox with uvicorn, in the foreground or in a background thread."""

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
    """The address is in use or cannot be bound."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 selects a free port. Raise PortTaken if it cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise PortTaken(
            f"cannot listen on {host}:{port} ({error.strerror}); "
            "stop the process that uses it, or choose another port with --port"
        ) from error
    return sock


def server_for(app: SandboxApp, log_level: str = "warning", protocol: Protocol = "auto") -> uvicorn.Server:
    """Build a uvicorn server; `protocol` is its HTTP implementation.

    The access log is disabled because a query string may contain a token. Hanging responses do not delay the shutdown.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        log_level=log_level,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        # Only the fault of a closed connection closes one, not a client that pauses for five seconds.
        timeout_keep_alive=600,
        server_header=False,
    )
    return uvicorn.Server(config)


@contextmanager
def running(
    settings: Settings | None = None, *, host: str = "127.0.0.1", port: int = 0, protocol: Protocol = "auto"
) -> Iterator[SandboxClient]:
    """Run a sandbox in a background thread and yield its control client; `base_url` contains the port."""
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
