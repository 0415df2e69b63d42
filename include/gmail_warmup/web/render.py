"""Pages from templates. Everything is escaped; links are relative, so that a sub-path does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from gmail_warmup.core import urls
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.web.security import inner_path


def _format_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _mailbox_path(address: str) -> str:
    """Return the path of a mailbox's page below the application.

    What browsers leave as it is in a path is not encoded: Airflow's shell compares the frame's address with its own,
    which it has decoded, and would load the page a second time.
    """
    return "mailboxes/" + quote(address, safe="@/!$&'*+=~")


def _relative_root(scope: Mapping[str, Any]) -> str:
    """Return the way from a page up to the application's mount; a slash that came encoded is no level for a browser."""
    encoded = bytes(scope.get("raw_path") or b"").lower().count(b"%2f")
    return "../" * (inner_path(scope).count("/") - 1 - encoded) or "./"


@cache
def _template_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gmail_warmup.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["utc"] = _format_utc
    environment.filters["mailbox_path"] = _mailbox_path
    return environment


def _page_urls() -> dict[str, str]:
    """Return the addresses that pages name; empty while the installation does not know its own."""
    try:
        return {"shell": urls.view_url(), "redirect_uri": urls.redirect_uri()}
    except ConfigurationError:
        return {"shell": "", "redirect_uri": ""}


def render_page(
    request: Request,
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a template as a page."""
    text = (
        _template_environment()
        .get_template(template)
        .render(root=_relative_root(request.scope), **_page_urls(), **values)
    )
    return HTMLResponse(text, status, dict(headers or {}))


def render_problem_page(
    request: Request, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """Return the page for an error."""
    login = _login_url() if status == 401 else ""
    return render_page(request, "problem.html", status, headers, title=title, detail=detail, login=login)


def _login_url() -> str:
    """Return where to sign in; coming back to the page, if Airflow knows its own address."""
    from airflow.api_fastapi.app import get_auth_manager

    following = _page_urls()["shell"]
    return str(get_auth_manager().get_url_login(**({"next_url": following} if following else {})))
