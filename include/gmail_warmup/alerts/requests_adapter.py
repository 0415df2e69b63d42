"""Let Apprise, which uses the library requests, send through the product's own HTTP client.

So alerts have the network configuration, the deadline and the maximum answer size of every other request.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import responses
from typing import Any

import httpx
import requests
from requests.adapters import BaseAdapter
from requests.utils import get_encoding_from_headers

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.network.client import open_client

_DEFAULT_TIMEOUT = 10.0


@contextmanager
def capture_requests() -> Iterator[list[Exception]]:
    """Send all requests of the library within the block through ``LimitedAdapter``; yield the list of their failures.

    The plugins of Apprise call the functions of the library directly, which look this name up for each session.
    """
    failures: list[Exception] = []
    before = requests.sessions.HTTPAdapter
    requests.sessions.HTTPAdapter = functools.partial(LimitedAdapter, failures)  # type: ignore[misc, assignment]
    try:
        yield failures
    finally:
        requests.sessions.HTTPAdapter = before  # type: ignore[misc]


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
        method, url, headers = str(request.method), str(request.url), _to_raw_headers(request.headers)
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        seconds = {"connect_timeout": connect or _DEFAULT_TIMEOUT, "read_timeout": read or _DEFAULT_TIMEOUT}
        try:
            with open_client(url, verify=verify is not False, **seconds) as http:
                answer = http.request(method, url, content=request.body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, ConfigurationError) as error:
            self._failures.append(error)
            # Without the text of the error, which may contain the address, a secret.
            raise requests.ConnectionError(type(error).__name__, request=request) from None
        return _to_requests_response(answer, request)

    def close(self) -> None:
        """Do nothing: the connection is closed after each request."""


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
