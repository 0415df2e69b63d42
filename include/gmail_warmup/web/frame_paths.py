"""Keep Airflow's UI out of its own frame.

Airflow's UI shows the page at ``/plugin/gmail-accounts`` in a frame and forwards the rest of the path to it. A path
outside of this application would load Airflow's UI inside itself; the frame is redirected to our "not found" instead.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.core import urls
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.web.security import inner_path


class FramePathMiddleware:
    """Redirect the page's frame back into this application; every other request passes unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of Airflow's api-server."""
        target = _find_target(scope) if scope["type"] == "http" else None
        await (RedirectResponse(target) if target else self._app)(scope, receive, send)


def _find_target(scope: Scope) -> str | None:
    """Return the path to redirect to, or None if the request is not one of the page's frame for a foreign path."""
    headers = Headers(scope=scope)
    inside = inner_path(scope)
    if headers.get("sec-fetch-dest") != "iframe" or inside.startswith(f"{urls.MOUNT_PATH}/"):
        return None
    try:
        site = load_urls()
    except ConfigurationError:
        return None
    view = urlsplit(site.view_url()).path
    shell = urlsplit(headers.get("referer", "")).path
    if shell != view and not shell.startswith(f"{view}/"):
        return None
    return f"{site.cookie_path}/" if inside == urls.MOUNT_PATH else f"{site.cookie_path}/not-found"
