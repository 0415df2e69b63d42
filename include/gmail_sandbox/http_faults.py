"""Reading requests and writing answers below Starlette, where a connection can also be cut."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Protocol

from starlette.types import Receive, Scope, Send

from gmail_sandbox.responses import Answer

TRANSPORT = "gmail_sandbox.transport"


class Misbehaviour(Protocol):
    """How the writing of an answer goes wrong."""

    close: bool
    cut_after_bytes: int | None
    content_length: int | None
    hang_seconds: float | None


def remember_transport(scope: Scope, send: Send) -> None:
    """Keep the connection's transport in the scope.

    Must be called by the outermost application: uvicorn hands it a bound method of the object that owns the
    transport, with h11 and httptools alike, and every middleware further in hides that behind a closure.
    """
    scope[TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)


async def read_body(receive: Receive) -> bytes:
    """Return the whole body of a request."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    return body


async def write(send: Send, answer: Answer) -> None:
    """Write a well-formed answer."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers()})
    await send({"type": "http.response.body", "body": answer.body})


async def misbehave(scope: Scope, receive: Receive, answer: Answer, how: Misbehaviour) -> None:
    """Hang, cut the connection, or write an answer that breaks HTTP.

    The bytes go straight to the transport, since the server rightly refuses to write a broken answer.
    """
    transport = scope.get(TRANSPORT)
    if transport is None:
        raise RuntimeError("connection faults need uvicorn: this server's transport cannot be reached")
    if how.hang_seconds is not None:
        await _wait_for_client(receive, how.hang_seconds)
    if not how.close:
        transport.write(_as_bytes(answer, how.content_length, how.cut_after_bytes))
        transport.close()
    else:
        transport.abort()
    # Only once the server knows of the closed connection is a missing answer no error for it.
    await _wait_for_client(receive, 5.0)


async def _wait_for_client(receive: Receive, seconds: float) -> None:
    """Return when the client has gone, or after `seconds`."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
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
    """Return a request header, or an empty text."""
    rows: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in rows if key == name), "")
