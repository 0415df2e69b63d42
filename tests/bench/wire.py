"""Round trips to PostgreSQL, counted on the wire: a proxy between client and server reads the protocol.

The server ends its answer to everything that a client waits for with ReadyForQuery ("Message Flow" in PostgreSQL's
documentation of its protocol), so each of these but the first, which ends the connecting, is one round trip.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"
_READY = ord("Z")


class _Proxy:
    def __init__(self, listener: socket.socket, server: Path) -> None:
        self._listener, self._server = listener, server
        self.round_trips = 0

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed: that is the end
                return
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(self._server))
            threading.Thread(target=_copy, args=(client, upstream), daemon=True).start()
            threading.Thread(target=self._answers, args=(upstream, client), daemon=True).start()

    def _answers(self, upstream: socket.socket, client: socket.socket) -> None:
        """Copy whole messages: a type byte and a length that counts itself; count before the client can go on."""
        connecting = True
        with upstream.makefile("rb") as stream, contextlib.suppress(OSError):
            while head := stream.read(5):
                body = stream.read(int.from_bytes(head[1:], "big") - 4)
                if head[0] == _READY:
                    self.round_trips += not connecting
                    connecting = False
                client.sendall(head + body)
            client.shutdown(socket.SHUT_WR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def counting_proxy(folder: Path, server: Path) -> Iterator[Callable[[], int]]:
    """Listen in a folder as a PostgreSQL would; yield what returns the round trips so far, connecting left out."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / SOCKET_NAME))
        listener.listen()
        proxy = _Proxy(listener, server)
        thread = threading.Thread(target=proxy.serve, daemon=True)
        thread.start()
        yield lambda: proxy.round_trips
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
