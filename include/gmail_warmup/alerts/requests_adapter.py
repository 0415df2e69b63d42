"""Let Apprise, which uses the library requests, send through the product's own HTTP client.

So alerts have the network configuration, the deadline and the maximum answer size of every other request.
"""

from __future__ import annotations

import functools
import io
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import responses
from typing import Any, cast

import httpx
import requests
from requests.adapters import BaseAdapter
from requests.utils import get_encoding_from_headers

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.network.client import find_tls_error, open_client

_DEFAULT_TIMEOUT = 10.0
_sessions: Any = requests.sessions


@contextmanager
def capture_requests() -> Iterator[list[Exception]]:
    """Send all requests of the library within the block through ``LimitedAdapter``; yield the list of their failures.

    The plugins of Apprise call the functions of the library directly, which look this name up for each session.
    """
    failures: list[Exception] = []
    before = _sessions.HTTPAdapter
    _sessions.HTTPAdapter = functools.partial(LimitedAdapter, failures)
    try:
        yield failures
    finally:
        _sessions.HTTPAdapter = before


class LimitedAdapter(BaseAdapter):
    """Send a request of the library requests with ``core.network.client``.

    Args:
        failures: receives the errors of requests without an answer.
    """

    def __init__(self, failures: list[Exception]) -> None:
        super().__init__()
        self._failures = failures

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request; only whether to verify the certificate is taken from the session's configuration."""
        url = str(request.url)
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        try:
            client = open_client(
                url,
                connect_timeout=connect or _DEFAULT_TIMEOUT,
                read_timeout=read or _DEFAULT_TIMEOUT,
                verify=verify is not False,
            )
            with client as http:
                answer = http.request(
                    str(request.method),
                    url,
                    content=cast("bytes | None", request.body),
                    headers=_to_raw_headers(request.headers),
                )
        except (httpx.HTTPError, httpx.InvalidURL, ConfigurationError) as error:
            self._failures.append(error)
            # Without the text of the error, which may contain the address, a secret.
            raise requests.ConnectionError(type(error).__name__, request=request) from None
        return _to_requests_response(answer, request)

    def close(self) -> None:
        """Do nothing: the connection is closed after each request."""


def describe_failure(error: Exception) -> str:
    """Return what an operator can correct after a failure, or an empty string."""
    if isinstance(error, ConfigurationError):
        return str(error)
    if isinstance(error, httpx.ProxyError):
        return f"The proxy cannot be reached or refuses the connection; {_HELP}."
    if isinstance(find_tls_error(error), ssl.SSLCertVerificationError):
        return f"The certificate of the receiver is not trusted; {_HELP}."
    return ""


_HELP = "see 'Proxies and certificates' in docs/operations.md"


def _to_raw_headers(headers: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """Encode headers as the library requests does."""
    return [(_to_bytes(name), _to_bytes(value)) for name, value in headers.items()]


def _to_bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("latin-1")


def _to_requests_response(answer: httpx.Response, request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status_code
    response.reason = responses.get(answer.status_code, "")
    response.headers.update(answer.headers)
    if "Authorization" in request.headers:
        response.headers.pop("Location", None)  # a redirect is not followed with a token
    response.encoding = get_encoding_from_headers(response.headers)
    response.url, response.request = str(request.url), request
    response.raw = io.BytesIO(answer.content)
    response._content = answer.content
    return response
