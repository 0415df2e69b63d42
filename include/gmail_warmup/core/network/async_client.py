"""The HTTP client for many requests at a time, with the configuration and the limits of ``client.py``.

It is aiohttp, which sends several times as many requests per second as httpx.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp

from gmail_warmup.core.network.client import MAX_ANSWER_BYTES, REQUEST_HEADERS, ResponseTooLargeError, decompress
from gmail_warmup.core.network.environment import find_proxy, get_ssl_context


class AsyncClient:
    """Send requests to one address; an asynchronous context manager.

    Args:
        url: the address.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for the answer. A request takes at most the sum of both.
        concurrency: maximum number of connections.
    """

    def __init__(self, url: str, *, connect_timeout: float, read_timeout: float, concurrency: int) -> None:
        self._url, self._concurrency = url, concurrency
        self._timeout = aiohttp.ClientTimeout(
            total=connect_timeout + read_timeout, sock_connect=connect_timeout, sock_read=read_timeout
        )

    async def __aenter__(self) -> Self:
        """Open the session.

        Raises:
            ConfigurationError: if the network configuration is not usable.
        """
        self._proxy = find_proxy(self._url)
        self._session = aiohttp.ClientSession(
            timeout=self._timeout,
            connector=aiohttp.TCPConnector(limit=self._concurrency, ssl=get_ssl_context()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=REQUEST_HEADERS,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        await self._session.close()

    async def post(self, body: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request; return status, headers and body of the answer.

        Raises:
            aiohttp.ClientError, TimeoutError: if there was no complete answer.
            httpx.HTTPError: if it is too large, or cannot be decompressed.
        """
        return await self._send("POST", headers, body)

    async def get(self, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request without a body; otherwise like ``post``."""
        return await self._send("GET", headers)

    async def _send(
        self, method: str, headers: Mapping[str, str], body: str | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._session.request(
            method, self._url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy
        ) as response:
            content = await _read_limited(response)
            return response.status, response.headers, decompress(content, response.headers, max_bytes=MAX_ANSWER_BYTES)


async def _read_limited(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise ResponseTooLargeError(MAX_ANSWER_BYTES)
    return bytes(content)
