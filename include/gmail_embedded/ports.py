"""Choose a TCP port: the configured one, or a free one."""

from __future__ import annotations

import errno
import socket

from gmail_embedded.errors import PortInUseError

LOCAL = "127.0.0.1"


def _bind_port(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOCAL, port))
        return int(probe.getsockname()[1])


def choose_port(port: int | None, *, purpose: str, source: str) -> int:
    """Return the configured port, or a free one if none is configured.

    Args:
        port: the configured port.
        purpose: what listens on it, for the error message.
        source: the option or variable that configures it, for the error message.

    Raises:
        PortInUseError: if the configured port is invalid or in use.
    """
    if port is None:
        return _bind_port(0)
    if not 1 <= port <= 65535:
        raise PortInUseError(f"{source}={port} is not a port: it must be between 1 and 65535.")
    try:
        return _bind_port(port)
    except OSError as error:
        what = "is in use by another program" if error.errno == errno.EADDRINUSE else f"is refused ({error.strerror})"
        raise PortInUseError(
            f"Port {port} for {purpose} (set by {source}) {what}. Stop that program, or set {source} to another port."
        ) from None
