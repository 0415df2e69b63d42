"""The application behind the page "Gmail accounts", mounted in Airflow's api-server at ``/gmail-warmup``.

Airflow does not protect mounted applications: every router declares its permission.

| prefix            | serves            | requires                                                  |
|-------------------|-------------------|-----------------------------------------------------------|
| ``/``             | pages             | ``READ`` of ``web.permissions``                           |
| ``/api/v1``       | JSON              | ``READ``; for changes ``OPERATE`` or ``ADMINISTER``       |
| ``/oauth``        | Google's redirect | permission to operate and the user's own state,           |
|                   |                   | or the state of an invite's consent                       |
| ``/invite``       | invited owners    | nothing, or the token of an open invite                   |
| ``/shared-report``| one weekly report | nothing, or the token of an open link                     |
| ``/static``       | styles, scripts   | nothing                                                   |
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gmail_warmup import __version__
from gmail_warmup.web import api, errors, security
from gmail_warmup.web.body_limit import BodyLimitMiddleware
from gmail_warmup.web.change_source import ChangeSourceMiddleware
from gmail_warmup.web.dependencies import AppContext
from gmail_warmup.web.routes import (
    changes,
    clients,
    dag_tab,
    import_export,
    invites,
    mailbox,
    mailbox_list,
    oauth_callback,
    overview,
    public_invite,
    repairs,
    report,
    schedules,
    webhooks,
)
from gmail_warmup.web.routes.lifecycle import directory_sync, removals

_STATIC = Path(__file__).resolve().parent / "static"


def create_app() -> FastAPI:
    """Build the application. No configuration is read and no connection opened before the first request."""
    app = FastAPI(
        title="Gmail Warmup",
        version=__version__,
        description="Mailboxes and the state of their OAuth grants. Errors are problem details (RFC 9457).",
        # A route of the API serves the description, with permissions; FastAPI's own routes would be public.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = AppContext()
    app.include_router(overview.router)
    app.include_router(mailbox_list.router)
    app.include_router(mailbox.router)
    app.include_router(dag_tab.router)
    app.include_router(import_export.router)
    app.include_router(directory_sync.router)
    app.include_router(invites.router)
    app.include_router(repairs.router)
    app.include_router(removals.router)
    app.include_router(schedules.router)
    app.include_router(clients.router)
    app.include_router(webhooks.router)
    app.include_router(changes.router)
    app.include_router(report.router)
    app.include_router(public_invite.router)
    app.include_router(oauth_callback.router)
    app.include_router(api.router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    errors.add_error_handlers(app)
    app.add_middleware(ChangeSourceMiddleware)
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(errors.CatchAllMiddleware)
    app.add_middleware(security.SecurityHeadersMiddleware)
    return app
