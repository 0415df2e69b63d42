"""Limit the size of request bodies, by route, before any other code reads them.

FastAPI reads and parses a body before it checks the permissions of a route.
"""

from __future__ import annotations

from collections import deque

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gmail_warmup.core import urls
from gmail_warmup.transfer.parser import MAX_FILE_BYTES
from gmail_warmup.web.errors import problem_response
from gmail_warmup.web.problems import Problem
from gmail_warmup.web.security import inner_path

DEFAULT_LIMIT = 4096
"""Bytes; for the public routes and the pages. The longest body of them is the token of an invite."""

API_LIMIT = 1_000_000
"""Bytes; for the API. The longest body is a list of a thousand addresses."""

IMPORT_LIMIT = 3 * MAX_FILE_BYTES
"""Bytes; for an import. The escape sequences of JSON make a file longer."""


def find_limit(path: str) -> int:
    """Return the maximum size in bytes of the body of a request; the path is below the mount."""
    if path.startswith(f"{urls.API_PATH}/imports"):
        return IMPORT_LIMIT
    return API_LIMIT if path.startswith(f"{urls.API_PATH}/") else DEFAULT_LIMIT


class BodyLimitMiddleware:
    """Read the body of each request up to its limit, and answer 413 to a longer one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = find_limit(inner_path(scope))
        messages = None if _declared_size(scope) > limit else await _read_limited(receive, limit)
        if messages is None:
            await _refuse(scope, receive, send, limit)
            return

        async def receive_again() -> Message:
            return messages.popleft() if messages else await receive()

        await self._app(scope, receive_again, send)


def _declared_size(scope: Scope) -> int:
    value = Headers(scope=scope).get("content-length", "")
    return int(value[:20]) if value.isascii() and value.isdigit() else 0


async def _read_limited(receive: Receive, limit: int) -> deque[Message] | None:
    """Return the messages of a body, or None if it is longer than the limit."""
    messages: deque[Message] = deque()
    size, more = 0, True
    while more:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)  # False also if the client has disconnected
        if size > limit:
            return None
    return messages


async def _refuse(scope: Scope, receive: Receive, send: Send, limit: int) -> None:
    size = f"{limit // 1_000_000} MB" if limit >= 1_000_000 else f"{limit} bytes"
    problem = Problem(
        status=413,
        slug="content-too-large",
        title="Request too large",
        detail=f"The body of this request must not be larger than {size}.",
        is_public=True,
    )
    # The rest of the body is not read, so the connection cannot be used again.
    response = problem_response(Request(scope), problem, {"Connection": "close"})
    await response(scope, receive, send)
