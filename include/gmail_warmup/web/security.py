"""Security headers, the origin check, and the cookie that ties a consent to a browser."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Depends, HTTPException, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gmail_warmup.airflow.configuration import load_urls
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
    """Add the security headers to every response, and keep authorization codes out of the access log.

    After the response, Airflow logs the query string of this scope. Registering each code with the secrets masker would
    hide it too, but the masker is one regular expression that only grows, and anyone could add to it. So the query is
    removed from the scope before any other code reads it.
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
    is_sensitive = inside == urls.CALLBACK_PATH or urls.is_public_path(inside)
    # Airflow's shell shows the pages in a frame; pages of a consent or an invite are never framed.
    frames = "'none'" if is_sensitive else "'self'"
    headers["Content-Security-Policy"] = f"{CONTENT_SECURITY_POLICY}; frame-ancestors {frames}"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Referrer-Policy"] = "no-referrer" if is_sensitive else "same-origin"
    headers["Cache-Control"] = "no-cache" if inside.startswith("/static/") else "no-store"


def callback_query(request: Request) -> dict[str, str]:
    """Return the query parameters that Google sent to the callback."""
    return dict(request.scope.get(_CALLBACK_SCOPE_KEY, {}))


async def check_origin(request: Request) -> None:
    """Refuse what a page of another site requests with the cookies of its visitor (CSRF), if it is stored.

    A client that is not a browser sends neither header and is accepted: it sends its credentials deliberately.
    """
    origin = request.headers.get("origin")
    expected = load_urls().airflow_origin
    if origin is None and request.headers.get("sec-fetch-site", "none") in ("same-origin", "none"):
        return
    if origin != expected:
        raise HTTPException(403, f"This request comes from another site. Changes are accepted only from {expected}.")


async def check_authorization_header(request: Request) -> None:
    """Refuse a recorded download that is requested by GET with a cookie: without https, a browser does not say whose
    page requests it.
    """
    if "authorization" not in request.headers:
        raise HTTPException(403, "Send a token in the header Authorization, or use POST.")


async def check_content_type(request: Request) -> None:
    """Refuse a change whose body is not JSON, because HTML forms of other sites cannot send JSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The body must be JSON with Content-Type: application/json.")


SAME_SITE_JSON = [Depends(check_origin), Depends(check_content_type)]
"""Dependencies of every route with a body."""


def read_browser_cookie(request: Request) -> str:
    """Return the value of the browser cookie, or an empty string."""
    value = request.cookies.get(BROWSER_COOKIE, "")
    return value if _BROWSER_COOKIE_PATTERN.match(value) else ""


def ensure_browser_cookie(request: Request, response: Response) -> str:
    """Set the browser cookie (256 random bits) and return its value. An existing value is kept.

    So consents in two tabs of one browser both succeed.
    """
    value = read_browser_cookie(request) or secrets.token_urlsafe(32)
    site = load_urls()
    response.set_cookie(
        BROWSER_COOKIE,
        value,
        max_age=_BROWSER_COOKIE_SECONDS,
        path=site.cookie_path,
        httponly=True,
        secure=site.is_https,
        samesite="lax",
    )
    return value
