"""HTTP under googleapiclient: one kept-alive connection, short timeouts, and no retries of its own.

httplib2, the default, repeats a request, POST included, when a kept-alive connection breaks before the answer. A
mail could go out twice; so requests go through httpx, which repeats nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httplib2
import httpx
from googleapiclient.errors import HttpError

from gmail_warmup.core import http_utils
from gmail_warmup.oauth.token_endpoint import GOOGLE_API

_prepared_clients: list[httpx.Client] = []


def _create_client() -> httpx.Client:
    return httpx.Client(verify=http_utils.get_ssl_context(), follow_redirects=False)


def prepare_client() -> None:
    """Make a client, which opens nothing; in each process that is forked afterwards the first transport takes it."""
    _prepared_clients[:] = [_create_client()]


class Transport:
    """The part of ``httplib2.Http`` that google_auth_httplib2 and googleapiclient call.

    Args:
        endpoint: the root of the Gmail API in place of Google's own, to which all requests are addressed.

    Raises:
        httpx.TransportError: from ``request``, when no whole answer came.
    """

    redirect_codes = frozenset({301, 302, 303, 307, 308})
    """googleapiclient removes 308 from this set when it uploads; it is not otherwise read."""

    def __init__(self, *, connect_timeout: float, read_timeout: float, endpoint: str | None = None) -> None:
        self._timeout = httpx.Timeout(read_timeout, connect=connect_timeout)
        self._http = _prepared_clients.pop() if _prepared_clients else _create_client()
        self._root = (endpoint or GOOGLE_API).rstrip("/")

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        redirections: int = 0,
        connection_type: Any = None,
        **_: Any,
    ) -> tuple[httplib2.Response, bytes]:
        """Send one request once."""
        sent = {
            key: value
            for key, value in (headers or {}).items()
            if key.lower() not in ("accept-encoding", "content-length")
        }
        address = self._root + uri.removeprefix(GOOGLE_API)
        response = self._http.request(method, address, content=body, headers=sent, timeout=self._timeout)
        found = httplib2.Response(
            {"status": str(response.status_code), **{k.lower(): v for k, v in response.headers.items()}}
        )
        found.reason = response.reason_phrase
        return found, response.content if response.is_success else _drop_unreadable_body(found, response.content)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def _drop_unreadable_body(response: httplib2.Response, content: bytes) -> bytes:
    """Return the body of a refusal, or nothing where googleapiclient could not make its error of it.

    It expects a text where a proxy, or a fault of Google's, may have put anything.
    """
    try:
        HttpError(response, content)
    except Exception:
        return b""
    return content
