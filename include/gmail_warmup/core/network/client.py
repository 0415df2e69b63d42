"""The HTTP client of the product: the network configuration, a total deadline and a maximum size for every answer.

Only this module and ``async_client.py`` open HTTP connections; a test searches for others. A timeout of httpx applies
to each read, so a server that sends single bytes could hold a request indefinitely. So the deadline is applied to the
socket. Redirects are not followed, because a request may contain a token.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from gmail_warmup.core.network.environment import find_proxy, get_ssl_context
from gmail_warmup.core.network.public_addresses import is_public_address

MAX_ANSWER_BYTES = 1_000_000
"""Maximum size of an answer, also when it is decompressed."""

REQUEST_HEADERS = {"Accept-Encoding": "gzip"}


class ResponseTooLargeError(httpx.TransportError):
    """The answer is larger than the limit of the client; it was not read to its end."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The answer is larger than {max_bytes} bytes")


class PrivateAddressError(httpx.TransportError):
    """No address of the host is public; nothing was sent."""


def open_client(
    url: str,
    *,
    connect_timeout: float,
    read_timeout: float,
    max_bytes: int = MAX_ANSWER_BYTES,
    verify: bool = True,
    public_only: bool = False,
    status_only: bool = False,
) -> httpx.Client:
    """Return a client for one server.

    Args:
        url: an address of the server; it determines the proxy.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for the answer. A request takes at most the sum of both.
        max_bytes: maximum size of an answer.
        verify: whether the certificate of the server is verified.
        public_only: whether a request to a private, link-local or loopback address raises PrivateAddressError. The
            address that is connected to is checked. A proxy resolves the host again and has rules of its own.
        status_only: whether status and headers are the whole answer: no body, whatever is wrong with it, is an error.

    Raises:
        ConfigurationError: if the network configuration is not usable.
    """
    transport = _LimitedTransport(
        find_proxy(url),
        get_ssl_context() if verify else httpx.create_ssl_context(verify=False),
        seconds=connect_timeout + read_timeout,
        max_bytes=max_bytes,
        public_only=public_only,
        status_only=status_only,
    )
    timeout = httpx.Timeout(read_timeout, connect=connect_timeout)
    return _SilentClient(transport=transport, timeout=timeout, trust_env=False, follow_redirects=False)


_is_silent: ContextVar[bool] = ContextVar("is_silent", default=False)
logging.getLogger("httpx").addFilter(lambda record: not _is_silent.get())


class _SilentClient(httpx.Client):
    """Send requests without the line of httpx in the log: it contains the URL, which may be secret."""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request."""
        token = _is_silent.set(True)
        try:
            return super().send(request, **options)
        finally:
            _is_silent.reset(token)


class _LimitedTransport(httpx.HTTPTransport):
    """Send requests within a deadline, and read their answers up to a size.

    Raises:
        httpx.ProxyError: also if the proxy cannot be reached.
        ResponseTooLargeError: see there.
    """

    def __init__(
        self,
        proxy: str | None,
        context: ssl.SSLContext,
        *,
        seconds: float,
        max_bytes: int,
        public_only: bool,
        status_only: bool,
    ) -> None:
        super().__init__(verify=context, trust_env=False, proxy=_build_proxy(proxy, context) if proxy else None)
        # HTTPTransport has no argument for it.
        self._pool._network_backend = _DeadlineBackend(public_only=public_only and proxy is None)
        self._uses_proxy, self._seconds, self._max_bytes = proxy is not None, seconds, max_bytes
        self._public_only, self._status_only = public_only, status_only

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the complete answer."""
        request.headers.update(REQUEST_HEADERS)
        with _deadline(self._seconds), self._name_proxy_errors():
            if self._public_only and self._uses_proxy:
                _require_public_host(request.url.host)
            response = super().handle_request(request)
            content = self._read_content(response)
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _CODING_HEADERS]
        return httpx.Response(response.status_code, headers=headers, content=content, extensions=response.extensions)

    def _read_content(self, response: httpx.Response) -> bytes:
        try:
            assert isinstance(response.stream, httpx.SyncByteStream)
            content = _read_limited(response.stream, self._max_bytes)  # a connection is used again only after that
            return b"" if self._status_only else decompress(content, response.headers, max_bytes=self._max_bytes)
        except httpx.TransportError:
            if not self._status_only:
                raise
            return b""
        finally:
            response.close()

    @contextmanager
    def _name_proxy_errors(self) -> Iterator[None]:
        """Convert the failure of a connection to the proxy; a TLS error concerns the server behind it."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if not self._uses_proxy or find_tls_error(error):
                raise
            raise httpx.ProxyError(f"the proxy cannot be reached: {error}") from error


def _build_proxy(url: str, context: ssl.SSLContext) -> httpx.Proxy:
    return httpx.Proxy(url, ssl_context=context if url.startswith("https:") else None)


_CODING_HEADERS = (b"content-encoding", b"content-length", b"transfer-encoding")


def find_tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Return the TLS error for which a request failed, for example an untrusted certificate; None for another cause."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__  # httpcore removes the cause of an error that it raises again
    return error


def _read_limited(parts: Iterable[bytes], max_bytes: int) -> bytes:
    content = bytearray()
    for part in parts:
        content += part
        if len(content) > max_bytes:
            raise ResponseTooLargeError(max_bytes)
    return bytes(content)


def decompress(content: bytes, headers: Mapping[str, str], *, max_bytes: int) -> bytes:
    """Return the decompressed body of an answer.

    Raises:
        ResponseTooLargeError: if it is larger than the limit.
        httpx.DecodingError: if it is damaged, or compressed in another way than requested.
    """
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding == "identity" or not content:
        return content
    if encoding not in ("gzip", "x-gzip"):
        raise httpx.DecodingError(f"the answer is compressed as {encoding[:20]!r}; only gzip was requested")
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        decompressed = decoder.decompress(content, max_bytes + 1)
    except zlib.error as error:
        raise httpx.DecodingError(str(error)) from None
    if len(decompressed) > max_bytes:
        raise ResponseTooLargeError(max_bytes)
    if not decoder.eof:
        raise httpx.DecodingError("the compressed answer is incomplete")
    return decompressed


_ends_at: ContextVar[float] = ContextVar("ends_at")


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def _remaining(timeout: float | None, expired: type[httpcore.TimeoutException]) -> float:
    """Return the timeout of one operation on the socket, shortened to the deadline of the request."""
    seconds = _ends_at.get() - time.monotonic()
    if seconds <= 0:
        raise expired("the total deadline of the request has passed")
    return seconds if timeout is None else min(seconds, timeout)


class _DeadlineBackend(httpcore.SyncBackend):
    """Open connections within the deadline of the request; the timeout covers all addresses of a host.

    Args:
        public_only: whether only public addresses are connected to.
    """

    def __init__(self, *, public_only: bool) -> None:
        self._public_only = public_only

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that answers."""
        ends_at = time.monotonic() + _remaining(timeout, httpcore.ConnectTimeout)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _require_public(host, _resolve(host, port)) if self._public_only else _resolve(host, port):
            seconds = ends_at - time.monotonic()
            if seconds <= 0:
                break
            try:
                return _DeadlineStream(super().connect_tcp(address, port, seconds, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: an empty part, or one of more than 63 characters
        raise httpcore.ConnectError(str(error)) from error
    return [str(address[0]) for *_, address in found]


def _require_public(host: str, addresses: list[str]) -> list[str]:
    public = [address for address in addresses if is_public_address(address)]
    if addresses and not public:
        raise PrivateAddressError(f"{host} has no public address")
    return public


def _require_public_host(host: str) -> None:
    """Check a host that a proxy will resolve; one that only the proxy can resolve is left to it."""
    try:
        addresses = _resolve(host, 0)
    except httpcore.ConnectError:
        return
    _require_public(host, addresses)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose operations end with the deadline of the current request."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has arrived."""
        return self._stream.read(max_bytes, _remaining(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all bytes."""
        self._stream.write(buffer, _remaining(timeout, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Start TLS."""
        seconds = _remaining(timeout, httpcore.ConnectTimeout)
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, seconds))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        """Return a property of the connection."""
        return self._stream.get_extra_info(info)
