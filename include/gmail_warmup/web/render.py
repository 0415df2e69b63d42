"""Pages from templates. Everything is escaped; links are relative, so that a sub-path does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from gmail_warmup.errors import ConfigurationError
from gmail_warmup.web import site
from gmail_warmup.web.security import inner_path


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gmail_warmup.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["utc"] = _utc
    return environment


def _addresses() -> dict[str, str]:
    """Return the addresses that pages name; empty while the installation does not know its own."""
    try:
        return {"shell": site.view_url(), "redirect_uri": site.redirect_uri()}
    except ConfigurationError:
        return {"shell": "", "redirect_uri": ""}


def page(
    request: Request,
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a template as a page."""
    root = "../" * (inner_path(request.scope).count("/") - 1) or "./"
    text = _environment().get_template(template).render(root=root, **_addresses(), **values)
    return HTMLResponse(text, status, dict(headers or {}))


def problem_page(
    request: Request, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """Return the page for an error."""
    login = _login_address() if status == 401 else ""
    return page(request, "problem.html", status, headers, title=title, detail=detail, login=login)


def _login_address() -> str:
    """Return where to sign in; coming back to the page, if Airflow knows its own address."""
    from airflow.api_fastapi.app import get_auth_manager

    following = _addresses()["shell"]
    return str(get_auth_manager().get_url_login(**({"next_url": following} if following else {})))
