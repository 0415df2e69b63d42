"""A proxy before PostgreSQL that cuts a connection in the middle of its work, as a network does.

Counted are round trips: the server ends its answer to everything that a client waits for with ReadyForQuery ("Message
Flow" in PostgreSQL's documentation of its protocol). A cut comes either before a request has reached the server, or
when the server has done it and the client will never know.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

_READY = ord("Z")
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset, not an end."""


@dataclass
class Cut:
    """Where to cut: at the round trip of this number, counted over all connections of a task from 0.

    Attributes:
        seen: round trips so far.
        struck: whether it was cut.
    """

    at: int
    when: Literal["before", "after"]
    seen: int = 0
    struck: bool = False

    def is_now(self, when: str) -> bool:
        """Tell whether this is the place, and remember so."""
        if self.struck or when != self.when or self.seen != self.at:
            return False
        self.struck = True
        return True


class CuttingProxy:
    """Listens on a port of this machine in front of a server's socket.

    Attributes:
        cut: the next cut; each task has one of its own.
    """

    def __init__(self, listener: socket.socket, server: Path) -> None:
        self._listener, self._server = listener, server
        self.cut = Cut(at=-1, when="before")

    def engine(self, direct: sa.Engine) -> sa.Engine:
        """Return an engine that goes through this proxy, as a task has one."""
        from gmail_warmup.db.engine import make_engine

        host, port = self._listener.getsockname()
        query = {"sslmode": "disable", "gssencmode": "disable"}
        return make_engine(direct.url.set(host=host, port=port, query=query))

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server))
            link = _Link(client, server, self.cut)
            for copy in (link.requests, link.answers):
                threading.Thread(target=copy, daemon=True).start()


class _Link:
    """One connection."""

    def __init__(self, client: socket.socket, server: socket.socket, cut: Cut) -> None:
        self._client, self._server, self._cut = client, server, cut
        self._connecting = True

    def requests(self) -> None:
        """Copy what the client sends."""
        with contextlib.suppress(OSError):
            while data := self._client.recv(65536):
                # Whoever says goodbye (Terminate) has nothing left to lose.
                if not self._connecting and data[:1] != b"X" and self._cut.is_now("before"):
                    self._sever()
                    return
                self._server.sendall(data)
            self._server.shutdown(socket.SHUT_WR)

    def answers(self) -> None:
        """Copy whole messages: a type byte and a length that counts itself."""
        with self._server.makefile("rb") as stream, contextlib.suppress(OSError):
            while head := stream.read(5):
                body = stream.read(int.from_bytes(head[1:], "big") - 4)
                if head[0] == _READY and not self._connecting:
                    if self._cut.is_now("after"):
                        self._sever()
                        return
                    self._cut.seen += 1
                if head[0] == _READY:
                    self._connecting = False
                self._client.sendall(head + body)
            self._client.shutdown(socket.SHUT_WR)

    def _sever(self) -> None:
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        for end in (self._client, self._server):
            # Shutting down wakes whoever copies the other way.
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextlib.contextmanager
def cutting_proxy(server: Path) -> Iterator[CuttingProxy]:
    """Run a proxy before the server that listens at this path."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = CuttingProxy(listener, server)
        thread = threading.Thread(target=proxy.serve, daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
