"""The page that synchronises delegated mailboxes with the directory of their Workspace. It changes nothing itself: the
preview and the changes use the API.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.airflow.connections import has_service_account
from gmail_warmup.gmail.workspace.directory import MEMBER_SCOPE, USER_SCOPE
from gmail_warmup.oauth.token_endpoint import SCOPE
from gmail_warmup.web import render
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import READ

router = APIRouter(dependencies=READ, include_in_schema=False)


@router.get("/directory")
def show_directory_page(request: Request, context: CurrentContext) -> Response:
    """Show the form, and what is needed if no service account is configured."""
    conn_id = context.services.settings.google_conn_id
    has_account = has_service_account(conn_id)
    scopes = (SCOPE, USER_SCOPE, MEMBER_SCOPE)
    return render.render_page(request, "directory.html", has_account=has_account, conn_id=conn_id, scopes=scopes)
