"""What every request and answer passes: headers, the origin check, and the browser's own cookie."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gmail_warmup.core import urls

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'"
)
BROWSER_COOKIE = "gmail_warmup_browser"
_BROWSER_COOKIE_PATTERN = re.compile(r"^[A-Za-z0-9_-]{43}$")
_BROWSER_COOKIE_SECONDS = 2 * 3600
_CALLBACK_SCOPE_KEY = "gmail_warmup.callback"
_MAX_QUERY_LENGTH = 8192


def inner_path(scope: Mapping[str, Any]) -> str:
    """Return the path of a request below the application's mount."""
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) or "/"


class SecurityHeadersMiddleware:
    """Put the security headers on every answer, and keep Google's answer out of the access log.

    Airflow logs the query string of each request from this very scope when the answer is out. Registering each code
    with the secrets masker would do as well, but that list is one regular expression which only ever grows, and anybody
    could feed it; so the query is taken out of the scope before anything else can see it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inside = inner_path(scope)
        if inside == urls.CALLBACK_PATH:
            query = scope["query_string"].decode("latin-1")
            scope[_CALLBACK_SCOPE_KEY] = dict(parse_qsl(query[:_MAX_QUERY_LENGTH]))
            scope["query_string"] = b"hidden" if query else b""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_security_headers(MutableHeaders(scope=message), inside)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _add_security_headers(headers: MutableHeaders, inside: str) -> None:
    secretive = inside == urls.CALLBACK_PATH or urls.is_public_path(inside)
    # Airflow's shell shows our pages in a frame; those of a consent and of an invite are never in one.
    frames = "'none'" if secretive else "'self'"
    headers["Content-Security-Policy"] = f"{CONTENT_SECURITY_POLICY}; frame-ancestors {frames}"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Referrer-Policy"] = "no-referrer" if secretive else "same-origin"
    headers["Cache-Control"] = "no-cache" if inside.startswith("/static/") else "no-store"


def callback_query(request: Request) -> dict[str, str]:
    """Return what Google sent along to the callback."""
    return dict(request.scope.get(_CALLBACK_SCOPE_KEY, {}))


def check_origin(request: Request) -> None:
    """Refuse a change that another site's page asks for, with the cookies of whoever looks at it.

    A client that is no browser sends neither header and is let through: its credentials are its own.
    """
    given = request.headers.get("origin")
    expected = urls.airflow_origin()
    if given is None and request.headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return
    if given != expected:
        raise HTTPException(403, f"This request comes from another site. Changes are accepted from {expected} only.")


def check_content_type(request: Request) -> None:
    """Refuse a change whose body is no JSON: forms of other sites cannot send that."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body must be JSON, sent with Content-Type: application/json.")


def read_browser_cookie(request: Request) -> str:
    """Return the value of the browser's cookie, or the empty string."""
    value = request.cookies.get(BROWSER_COOKIE, "")
    return value if _BROWSER_COOKIE_PATTERN.match(value) else ""


def ensure_browser_cookie(request: Request, response: Response) -> str:
    """Give the browser its cookie, 256 random bits, and return the value; one that it has stays.

    So two consents in two tabs both come back to a browser that is known.
    """
    value = read_browser_cookie(request) or secrets.token_urlsafe(32)
    response.set_cookie(
        BROWSER_COOKIE,
        value,
        max_age=_BROWSER_COOKIE_SECONDS,
        path=urls.cookie_path(),
        httponly=True,
        secure=urls.is_https(),
        samesite="lax",
    )
    return value
