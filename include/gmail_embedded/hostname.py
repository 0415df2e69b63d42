"""The host name of a service process; several services share one machine."""

from __future__ import annotations

import os
import socket


def get_service_hostname() -> str:
    """Return the variable HOSTNAME, as in a container, otherwise the machine's host name."""
    return os.environ.get("HOSTNAME") or socket.gethostname()
