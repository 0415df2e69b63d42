"""The application behind the page "Gmail accounts", mounted in Airflow's api-server at ``/gmail-warmup``.

A mounted application inherits no right from Airflow: every router names its own. ``/static`` and ``/invite`` are open.

| prefix            | serves            | needs                                            |
|-------------------|-------------------|--------------------------------------------------|
| ``/``             | pages             | the right to read Connections                    |
| ``/api/v1``       | JSON              | the same; for a change the right to edit them    |
| ``/oauth``        | Google's redirect | the right to edit Connections, and its own state |
|                   |                   | or the state of an invite's consent              |
| ``/invite``       | an invite's owner | nothing, or the token of an open invite          |
| ``/static``       | styles, scripts   | nothing                                          |
"""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from gmail_warmup import __version__
from gmail_warmup.web import (
    api,
    dag_page,
    invite_pages,
    invited,
    mailbox_page,
    oauth,
    pages,
    problems,
    security,
    transfer_pages,
)
from gmail_warmup.web.context import Context
from gmail_warmup.web.throttle import Throttle

_STATIC = Path(__file__).resolve().parent / "static"


def create_app() -> FastAPI:
    """Build the application. Nothing is read or opened before the first request."""
    app = FastAPI(
        title="Gmail Warmup",
        version=__version__,
        description="Mailboxes and the state of their grants. Errors are problem details (RFC 9457).",
        # The description is served by a route of the API, which has rights; FastAPI's own pages have none.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = Context()
    app.state.throttle = Throttle()
    app.include_router(pages.router)
    app.include_router(mailbox_page.router)
    app.include_router(dag_page.router)
    app.include_router(transfer_pages.router)
    app.include_router(invite_pages.router)
    app.include_router(invited.router)
    app.include_router(oauth.router)
    app.include_router(api.router)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    problems.install(app)
    app.add_middleware(problems.LastResort)
    app.add_middleware(security.Headers)
    return app
