"""The network configuration of every HTTP client: proxies and trusted certificates, from the environment.

The variables and their meaning are those of the library requests. The clients of this folder apply them.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import certifi

from gmail_warmup.core.errors import ConfigurationError

PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
"""Also read in lower case, which has precedence."""

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Files or folders of certificates; SSL_CERT_DIR may list several folders. The certificates of all are trusted."""


def find_proxy(url: str) -> str | None:
    """Return the URL of the proxy for a request, or None if it is sent directly.

    Raises:
        ConfigurationError: if the variable contains no usable address. The message does not repeat it, since it may
            contain a password.
    """
    from requests.utils import get_environ_proxies, select_proxy

    try:
        found = select_proxy(url, get_environ_proxies(url))
    except ValueError:  # the address is malformed, which the client reports
        return None
    if not found:
        return None
    proxy = found if "://" in found else f"http://{found}"
    if not _is_proxy_url(proxy):
        raise ConfigurationError(
            f"The proxy for {urlsplit(url).scheme} addresses is not an HTTP proxy. Set HTTPS_PROXY, HTTP_PROXY or "
            "ALL_PROXY to http://host:port; SOCKS proxies are not supported."
        )
    return proxy


def _is_proxy_url(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number
        return False


def get_ssl_context() -> ssl.SSLContext:
    """Return the TLS context, built once per process: loading the certificates takes about 0.1 s.

    Without a variable it trusts the certificates of the package certifi.

    Raises:
        ConfigurationError: if a variable names no certificate.
    """
    return _build_ssl_context(tuple((name, os.environ.get(name, "")) for name in CERTIFICATE_VARIABLES))


@functools.lru_cache(maxsize=2)
def _build_ssl_context(variables: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # certificate and host name are verified
    given = [(name, value) for name, value in variables if value]
    for name, value in given:
        _load_certificates(context, name, value)
    if not given:
        context.load_verify_locations(cafile=certifi.where())
    return context


def _load_certificates(context: ssl.SSLContext, variable: str, value: str) -> None:
    """Trust the certificates of a variable; in a folder, files without a certificate are skipped."""
    loaded, reason = 0, "there is no such file"
    for path in _list_files(variable, value):
        try:
            context.load_verify_locations(cafile=path)
            loaded += 1
        except OSError as error:  # ssl.SSLError is one
            reason = error.strerror or "it contains no certificate"
    if not loaded:
        raise ConfigurationError(
            f"{variable} is set to {value}, from which no certificate can be read: {reason}. Set it to a PEM file, or "
            "remove it from the environment."
        )


def _list_files(variable: str, value: str) -> Iterator[Path]:
    for part in value.split(os.pathsep) if variable == "SSL_CERT_DIR" else [value]:
        path = Path(part)
        if path.is_dir():
            yield from sorted({entry.resolve() for entry in path.iterdir() if entry.is_file()})
        else:
            yield path
