"""HTTP transport for googleapiclient: one keep-alive connection, short timeouts and no retries.

httplib2, the default, repeats a request (POST included) if a keep-alive connection breaks before the response. A mail
could be sent twice, so requests are sent with httpx, which does not repeat them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httplib2
from googleapiclient.errors import HttpError

from gmail_warmup.core.network.client import open_client
from gmail_warmup.oauth.token_endpoint import GOOGLE_API

_MAX_ANSWER_BYTES = 8_000_000
"""Much more than the longest list and the largest message that are read, see ``warmup/actions/bounces.py``."""


class Transport:
    """Replacement for ``httplib2.Http``, limited to the methods used by google_auth_httplib2 and googleapiclient.

    Args:
        endpoint: the root URL of the Gmail API; Google's by default.

    Raises:
        httpx.TransportError: from ``request``, if no complete response was received.
    """

    redirect_codes = frozenset({301, 302, 303, 307, 308})
    """Required by googleapiclient, which removes 308 from it for uploads; not used otherwise."""

    def __init__(self, *, connect_timeout: float, read_timeout: float, endpoint: str | None = None) -> None:
        self._root = (endpoint or GOOGLE_API).rstrip("/")
        self._http = open_client(
            self._root, connect_timeout=connect_timeout, read_timeout=read_timeout, max_bytes=_MAX_ANSWER_BYTES
        )

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
        """Send a request once, without retries or redirects."""
        sent_headers = {
            key: value
            for key, value in (headers or {}).items()
            if key.lower() not in ("accept-encoding", "content-length")
        }
        url = self._root + uri.removeprefix(GOOGLE_API)
        response = self._http.request(method, url, content=body, headers=sent_headers)
        result = httplib2.Response(
            {"status": str(response.status_code), **{k.lower(): v for k, v in response.headers.items()}}
        )
        result.reason = response.reason_phrase
        return result, response.content if response.is_success else _drop_unreadable_body(result, response.content)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def _drop_unreadable_body(response: httplib2.Response, content: bytes) -> bytes:
    """Return the body of an error response, or an empty body if googleapiclient cannot parse it.

    googleapiclient expects a certain format, but a proxy or a failure at Google may return any content.
    """
    try:
        HttpError(response, content)
    except Exception:
        return b""
    return content
