"""The page for import and export. It changes nothing: preview and import use the API."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.transfer.parser import MAX_FILE_BYTES
from gmail_warmup.web import render
from gmail_warmup.web.permissions import READ

router = APIRouter(dependencies=READ, include_in_schema=False)


@router.get("/import")
def show_import_page(request: Request) -> Response:
    """Show the import form and the links for an export."""
    return render.render_page(request, "import.html", settings=MailboxSettings.model_fields, largest=MAX_FILE_BYTES)
