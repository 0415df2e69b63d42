"""Everything that is stored about mailboxes, as a download: one JSON document, or a ZIP archive of several."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.mailboxes import lookup, removals
from gmail_warmup.mailboxes.lookup import MailboxAddress
from gmail_warmup.transfer.documents.mailbox import iter_document, record_export
from gmail_warmup.web.api import selection
from gmail_warmup.web.api.schemas import Confirmation
from gmail_warmup.web.api.selection import Selection
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, UserName

router = APIRouter(tags=["transfers"])

MAX_MAILBOXES = 1000
"""Maximum number of mailboxes in one download: the archive is complete before the answer begins."""
_BLOCK_BYTES = 65_536
_IN_MEMORY_BYTES = 1_000_000


class ExportDataIn(Selection):
    """Mailboxes whose data is exported."""

    confirmation: Confirmation


@router.post("/mailboxes/export-data", response_class=StreamingResponse, dependencies=ADMINISTER)
def export_data(body: ExportDataIn, context: CurrentContext, user: UserName) -> Response:
    """Download everything that is stored about mailboxes, without tokens: JSON, or a ZIP archive of up to 1,000."""
    services = context.services
    with write_transaction(services.engine) as connection:
        named = selection.lock_mailboxes(connection, body, expiring_days=services.settings.expiring_days)
        removals.require_confirmation(named, body.confirmation)
        _require_limit(named)
        mailboxes = lookup.require_mailboxes(connection, named)
        record_export(connection, mailboxes, actor=user)
    # The document is complete before the answer begins: no slow client holds a transaction open.
    file = _write_file(services.engine, mailboxes)
    name, media_type = ("mailboxes.zip", "application/zip")
    if len(mailboxes) == 1:
        name, media_type = (_get_file_name(mailboxes[0]), "application/json")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_iter_blocks(file), headers=headers, media_type=media_type)


def _get_file_name(mailbox: MailboxAddress) -> str:
    return f"{quote(mailbox.address, safe='@+')}.json"


def _require_limit(addresses: Sequence[str]) -> None:
    if len(addresses) > MAX_MAILBOXES:
        raise InvalidInputError(
            f"{len(addresses):,} mailboxes are selected, and a download has at most {MAX_MAILBOXES:,}. Select fewer, "
            "or export them on the server: gmail-warmup mailboxes export-data FOLDER ADDRESSES"
        )


def _write_file(engine: sa.Engine, mailboxes: Sequence[MailboxAddress]) -> IO[bytes]:
    """Return a temporary file with the document of a mailbox, or an archive of several; the response closes it."""
    with ExitStack() as on_error:
        file = on_error.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES))
        if len(mailboxes) == 1:
            _write_document(engine, mailboxes[0], file)
        else:
            _write_archive(engine, mailboxes, file)
        on_error.pop_all()
        return file


def _write_archive(engine: sa.Engine, mailboxes: Sequence[MailboxAddress], file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for mailbox in mailboxes:
            with archive.open(_get_file_name(mailbox), "w") as member:
                _write_document(engine, mailbox, member)


def _write_document(engine: sa.Engine, mailbox: MailboxAddress, file: IO[bytes]) -> None:
    file.writelines(part.encode() for part in iter_document(engine, mailbox))


def _iter_blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while block := file.read(_BLOCK_BYTES):
            yield block
