"""Read requests and write responses at the ASGI level, and break connections on purpose."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Protocol

from starlette.types import Receive, Scope, Send

from gmail_sandbox.responses import Answer

TRANSPORT = "gmail_sandbox.transport"


class Misbehaviour(Protocol):
    """Options of a broken response."""

    close: bool
    cut_after_bytes: int | None
    content_length: int | None
    hang_seconds: float | None


def remember_transport(scope: Scope, send: Send) -> None:
    """Store the connection's transport in the scope.

    Only the outermost application can call this: uvicorn passes it a bound method of the object that owns the
    transport (with h11 and httptools), and middleware wraps that method in a closure.
    """
    scope[TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)


async def read_body(receive: Receive) -> bytes:
    """Read the complete body of a request."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    return body


async def write(send: Send, answer: Answer) -> None:
    """Write a well-formed response."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers()})
    await send({"type": "http.response.body", "body": answer.body})


async def misbehave(scope: Scope, receive: Receive, answer: Answer, how: Misbehaviour) -> None:
    """Delay the response, cut the connection, or write a response that violates HTTP.

    The bytes are written to the transport directly, because the server rejects malformed responses.
    """
    transport = scope.get(TRANSPORT)
    if transport is None:
        raise RuntimeError("connection faults require uvicorn: the transport of this server is not accessible")
    if how.hang_seconds is not None:
        await _wait_for_client(receive, how.hang_seconds)
    if not how.close:
        transport.write(_as_bytes(answer, how.content_length, how.cut_after_bytes))
        transport.close()
    else:
        transport.abort()
    # The server logs an error for a missing response unless it has noticed the closed connection.
    await _wait_for_client(receive, 5.0)


async def _wait_for_client(receive: Receive, seconds: float) -> None:
    """Wait until the client disconnects, for at most `seconds`."""

    async def wait_for_disconnect() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(wait_for_disconnect(), seconds)
    except TimeoutError:
        return


def _as_bytes(answer: Answer, content_length: int | None, cut_after_bytes: int | None) -> bytes:
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.raw_headers(content_length)]
    body = answer.body if cut_after_bytes is None else answer.body[:cut_after_bytes]
    return b"\r\n".join(lines) + b"\r\nconnection: close\r\n\r\n" + body


def header(scope: Scope, name: bytes) -> str:
    """Return a request header, or an empty string."""
    rows: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in rows if key == name), "")
