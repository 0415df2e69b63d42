"""Ports: a free one, or the configured one if it is free."""

from __future__ import annotations

import errno
import socket

from gmail_embedded.errors import PortInUseError

LOCAL = "127.0.0.1"


def _bindable(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOCAL, port))
        return int(probe.getsockname()[1])


def claim(port: int | None, *, purpose: str, asked_by: str) -> int:
    """Return the configured port, or a free one if none is configured.

    Args:
        port: the configured port.
        purpose: what listens on it, for the error.
        asked_by: the option or variable that configures it, for the error.

    Raises:
        PortInUseError: if the configured port cannot be had.
    """
    if port is None:
        return _bindable(0)
    if not 1 <= port <= 65535:
        raise PortInUseError(f"{asked_by}={port} is no port: it must be between 1 and 65535.")
    try:
        return _bindable(port)
    except OSError as error:
        what = "is in use by another program" if error.errno == errno.EADDRINUSE else f"is refused ({error.strerror})"
        raise PortInUseError(
            f"Port {port} for {purpose} (asked for by {asked_by}) {what}. Stop that program, or set {asked_by} to "
            "another port."
        ) from None
