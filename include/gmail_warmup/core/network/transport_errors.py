"""Classify the transport errors of every HTTP client in use: httpx, aiohttp, requests with google-auth, httplib2."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

_PROXY_ERRORS = frozenset({"ProxyError", "ClientProxyConnectionError", "ClientHttpProxyError"})
"""Names of the classes, and of base classes, of errors about a proxy in all these clients."""
_CERTIFICATE_TEXT = "certificate_verify_failed"
_TUNNEL_TEXT = "tunnel connection failed"
_MAX_CAUSES = 20


def classify_transport_error(error: BaseException) -> str:
    """Return the reason code of an error after which there is no response.

    Returns:
        ``tls_untrusted`` if a certificate was not accepted, ``proxy_failed`` if the proxy cannot be reached or refuses
        the connection, otherwise ``unreachable``.
    """
    causes = list(_walk_causes(error))
    if any(_is_certificate_error(cause) for cause in causes):
        return "tls_untrusted"
    if any(_is_proxy_error(cause) for cause in causes):
        return "proxy_failed"
    return "unreachable"


def _walk_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything that it wraps, in the different ways of the clients."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) < _MAX_CAUSES:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        context = None if current.__suppress_context__ else current.__context__
        inner = (current.__cause__ or context, *current.args, getattr(current, "reason", None),
                 getattr(current, "os_error", None), *getattr(current, "exceptions", ()))  # fmt: skip
        waiting += [item for item in inner if isinstance(item, BaseException)]


def _is_certificate_error(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLCertVerificationError) or _CERTIFICATE_TEXT in str(error).lower().replace(" ", "_")


def _is_proxy_error(error: BaseException) -> bool:
    names = {kind.__name__ for kind in type(error).__mro__}
    return not names.isdisjoint(_PROXY_ERRORS) or _TUNNEL_TEXT in str(error).lower()
