"""A speed bump for whoever tries links: so many wrong ones from one address, then a pause.

It saves the database work and shows in the log. What protects an invite is its token: nobody finds 256 random bits.
Counted in this process alone, by the address that the request came from; behind a proxy that is the proxy's, unless the
api-server runs with ``--proxy-headers``.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

log = logging.getLogger(__name__)

LIMIT = 20
SECONDS = 60
_ADDRESSES = 4096


class Throttle:
    """Count what was wrong, by address.

    Args:
        clock: seconds from some beginning.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, host: str) -> int:
        """Return for how many seconds this address has to wait; 0 if it need not."""
        with self._lock:
            count, since = self._counts.get(_network(host), (0, 0.0))
        left = since + SECONDS - self._clock()
        return math.ceil(left) if count >= LIMIT and left > 0 else 0

    def count(self, host: str) -> None:
        """Count something wrong from this address; the oldest addresses are forgotten, so memory is bounded."""
        key, now = _network(host), self._clock()
        with self._lock:
            count, since = self._counts.pop(key, (0, now))
            count, since = (0, now) if now >= since + SECONDS else (count, since)
            self._counts[key] = count + 1, since
            while len(self._counts) > _ADDRESSES:
                self._counts.popitem(last=False)
        if count + 1 == LIMIT:
            log.warning("%s tried %d links that open no invite within %d s; it has to wait", key, LIMIT, SECONDS)


def _network(host: str) -> str:
    """Return what counts as one address: with IPv6, the network that a single customer has."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((int(address), 64), strict=False))
