"""Set for the change log whether a request comes from the page or from a client of the API."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gmail_warmup.core.enums import ChangeSource
from gmail_warmup.mailboxes.change_log import change_source


class ChangeSourceMiddleware:
    """A request with an ``Authorization`` header is one of an API client; the page uses Airflow's cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; its threads inherit the variable."""
        if scope["type"] == "http":
            is_client = "authorization" in Headers(scope=scope)
            change_source.set(ChangeSource.API if is_client else ChangeSource.PAGE)
        await self._app(scope, receive, send)
