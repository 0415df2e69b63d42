"""Classify the transport errors of every HTTP client in use: httpx, aiohttp, requests with google-auth, httplib2."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Iterator

_PROXY_ERRORS = frozenset({"ProxyError", "ClientProxyConnectionError", "ClientHttpProxyError"})
"""Names of the classes, and of base classes, of errors about a proxy in all these clients."""
_CERTIFICATE_TEXT = "certificate_verify_failed"
_TUNNEL_TEXT = "tunnel connection failed"
_HTTPX_CONNECT_ERRORS = frozenset({"ConnectError", "ConnectTimeout"})
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
    if any(_is_proxy_error(cause) for cause in causes) or _failed_to_connect_to_proxy(error, causes):
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


def _failed_to_connect_to_proxy(error: BaseException, causes: list[BaseException]) -> bool:
    """Return whether httpx failed to connect although a proxy is configured: then the proxy was not reached.

    httpx has the same error for a proxy as for Google. A TLS error comes from the server behind the proxy.
    """
    if type(error).__name__ not in _HTTPX_CONNECT_ERRORS or any(isinstance(cause, ssl.SSLError) for cause in causes):
        return False
    try:
        url = error.request.url  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):
        return False
    proxies = urllib.request.getproxies()
    has_proxy = url.scheme in proxies or "all" in proxies
    return has_proxy and not urllib.request.proxy_bypass(url.host)
