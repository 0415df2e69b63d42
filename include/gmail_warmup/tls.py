"""The TLS settings of every request that a task sends: making them reads all certificates, 20 ms of a processor."""

from __future__ import annotations

import functools
import ssl

import httpx


@functools.cache
def context() -> ssl.SSLContext:
    """Return the settings, made once; processes that are forked afterwards inherit them."""
    return httpx.create_ssl_context()
