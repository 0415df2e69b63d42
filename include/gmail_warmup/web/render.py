"""Render pages from templates. All values are escaped; links are relative, so a sub-path needs no configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.core.enums import DEFAULT_TARGET, Permission
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.validation import get_bounds
from gmail_warmup.web.security import inner_path
from gmail_warmup.web.text_limits import build_text_limits
from gmail_warmup.web.views.relative_time import format_time_ago


def _format_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _mailbox_path(address: str) -> str:
    """Return the path of a mailbox's page below the application.

    Characters that browsers do not encode in a path stay unencoded. Airflow's shell compares the URL of the frame with
    its own decoded URL and would otherwise load the page twice.
    """
    return "mailboxes/" + quote(address, safe="@/!$&'*+=~")


def _number_cells(row: BaseModel | Mapping[str, Any], names: Sequence[str]) -> str:
    """Return table cells with numbers of a row: a loop in a template takes five times as long."""
    values = vars(row) if isinstance(row, BaseModel) else row
    return "".join(f"<td>{int(values[name])}</td>" for name in names)


def _relative_root(scope: Mapping[str, Any]) -> str:
    """Return the relative path to the application's mount. For a browser, an encoded slash does not separate levels."""
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
    environment.globals["target_limits"] = get_bounds(MailboxSettings.model_fields["daily_target"])
    environment.globals["max_length"] = build_text_limits()
    environment.globals["default_target"] = DEFAULT_TARGET
    environment.filters["utc"] = _format_utc
    environment.filters["ago"] = format_time_ago
    environment.filters["number_cells"] = _number_cells
    environment.filters["mailbox_path"] = _mailbox_path
    return environment


def _page_urls() -> dict[str, str]:
    """Return the absolute URLs that pages show; empty if Airflow's base URL is not set."""
    try:
        urls = load_urls()
        return {"shell": urls.view_url(), "redirect_uri": urls.redirect_uri}
    except ConfigurationError:
        return {"shell": "", "redirect_uri": ""}


def _describe_permissions(request: Request) -> dict[str, bool]:
    """Return which permissions the user of a request has, so that a page shows only permitted actions."""
    held: frozenset[Permission] = getattr(request.state, "permissions", frozenset())
    return {permission.name.lower(): permission in held for permission in Permission}


def render_text(template: str, **values: Any) -> str:
    """Render a part of a page."""
    return _template_environment().get_template(template).render(**values)


def render_page(
    request: Request,
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a template as a page."""
    text = (
        _template_environment()
        .get_template(template)
        .render(root=_relative_root(request.scope), may=_describe_permissions(request), **_page_urls(), **values)
    )
    return HTMLResponse(text, status, dict(headers or {}))


def render_problem_page(
    request: Request, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """Render the page for an error."""
    login = _login_url() if status == 401 else ""
    denied = status == 403 and not _describe_permissions(request)["read"]  # the start page would refuse as well
    return render_page(request, "problem.html", status, headers, title=title, detail=detail, login=login, denied=denied)


def _login_url() -> str:
    """Return Airflow's login URL, with a redirect back to the page if Airflow's base URL is set."""
    from airflow.api_fastapi.app import get_auth_manager

    next_url = _page_urls()["shell"]
    return str(get_auth_manager().get_url_login(**({"next_url": next_url} if next_url else {})))
