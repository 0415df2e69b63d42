"""Stream the settings of mailboxes: in bounded memory, and without a database connection held for a slow client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain

from fastapi.responses import StreamingResponse

from gmail_warmup.airflow.services import Services
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.transfer import exporter
from gmail_warmup.transfer.csv_format import BYTE_ORDER_MARK
from gmail_warmup.web.queries import mailboxes as queries
from gmail_warmup.web.queries.filters import MailboxFilter
from gmail_warmup.web.queries.mailboxes import MailboxQuery

_CHUNK_SIZE = 1000


class Format(StrEnum):
    """File format of an export; an import reads both."""

    CSV = "csv"
    JSON = "json"


_MEDIA_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.JSON: "application/json"}


def iter_filtered(services: Services, mailbox_filter: MailboxFilter) -> Iterator[Sequence[MailboxRecord]]:
    """Yield the mailboxes that match a filter, by address; each chunk is read in its own transaction."""
    after = None
    while True:
        with read_transaction(services.engine) as connection:
            query = MailboxQuery(filter=mailbox_filter, after=after, limit=_CHUNK_SIZE)
            page = queries.load_page(connection, query, expiring_days=services.settings.expiring_days)
        yield page.rows
        after = page.next_after
        if after is None:
            return


def stream_export(chunks: Iterable[Sequence[MailboxRecord]], form: Format) -> StreamingResponse:
    """Return a download.

    The first chunk is read before the response starts, so that an error still becomes an error response. A later error
    aborts the download, which browsers report; the file never looks complete.
    """
    remaining = iter(chunks)
    first = next(remaining, ())
    mailboxes = chain.from_iterable(chain((first,), remaining))
    lines = (
        chain(BYTE_ORDER_MARK, exporter.write_csv(mailboxes)) if form is Format.CSV else exporter.write_json(mailboxes)
    )
    headers = {"Content-Disposition": f'attachment; filename="gmail-accounts.{form}"'}
    return StreamingResponse(_join_blocks(lines), headers=headers, media_type=_MEDIA_TYPES[form])


def _join_blocks(lines: Iterable[str]) -> Iterator[str]:
    """Join lines into blocks, because sending each block costs a switch of threads."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) >= _CHUNK_SIZE:
            yield "".join(block)
            block.clear()
    yield "".join(block)
