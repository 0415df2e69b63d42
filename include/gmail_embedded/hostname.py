"""The host name of a process that shares its machine with others which have names of their own."""

from __future__ import annotations

import os
import socket


def of_service() -> str:
    """Return the name in HOSTNAME, as a container has one, else the machine's."""
    return os.environ.get("HOSTNAME") or socket.gethostname()
