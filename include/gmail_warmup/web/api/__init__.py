"""The JSON API. It offers everything that the pages do; the pages use it for every change."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from gmail_warmup.core import urls
from gmail_warmup.web.api import (
    consents,
    halts,
    history,
    invites,
    mailboxes,
    overview,
    readiness,
    repairs,
    schedules,
    statistics,
    transfers,
    webhooks,
)
from gmail_warmup.web.api.lifecycle import clients, directory_sync, documents, removals, renaming
from gmail_warmup.web.api.reporting import changes, reports
from gmail_warmup.web.permissions import READ
from gmail_warmup.web.problems import ERROR_RESPONSES

router = APIRouter(prefix=urls.API_PATH, dependencies=READ, responses=ERROR_RESPONSES)


@router.get("/openapi.json", include_in_schema=False)
def get_openapi(request: Request) -> dict[str, Any]:
    """Return the OpenAPI description of this API."""
    return dict(request.app.openapi())


for part in (
    overview,
    halts,
    readiness,
    statistics,
    history,
    schedules,
    removals,
    documents,
    renaming,
    directory_sync,
    clients,
    mailboxes,
    consents,
    repairs,
    invites,
    transfers,
    webhooks,
    changes,
    reports,
):
    router.include_router(part.router)
