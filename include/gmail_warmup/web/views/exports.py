"""Settings of mailboxes as a stream: any number in little memory, and no connection held for a slow reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain

from fastapi.responses import StreamingResponse

from gmail_warmup.airflow.services import Services
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.transfer import exporter
from gmail_warmup.web.queries import mailboxes as queries
from gmail_warmup.web.queries.filters import MailboxFilter
from gmail_warmup.web.queries.mailboxes import MailboxQuery

_CHUNK_SIZE = 1000


class Format(StrEnum):
    """How an export is written; an import reads both."""

    CSV = "csv"
    JSON = "json"


_MEDIA_TYPES = {Format.CSV: "text/csv; charset=utf-8", Format.JSON: "application/json"}
_BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes the file for one in the code page of its country


def iter_filtered(services: Services, chosen: MailboxFilter) -> Iterator[Sequence[MailboxRecord]]:
    """Yield the mailboxes that a filter lets through, by address, each chunk read by itself."""
    after = None
    while True:
        with services.engine.begin() as connection:
            wanted = MailboxQuery(filter=chosen, after=after, limit=_CHUNK_SIZE)
            page = queries.load_page(connection, wanted, expiring_days=services.settings.expiring_days)
        yield page.rows
        after = page.next_after
        if after is None:
            return


def stream_export(chunks: Iterable[Sequence[MailboxRecord]], form: Format) -> StreamingResponse:
    """Return a download.

    The first chunk is read now, while an error can still become an answer. A later one cuts the download off, which
    browsers report, rather than let it end as if it were whole.
    """
    following = iter(chunks)
    first = next(following, ())
    mailboxes = chain.from_iterable(chain((first,), following))
    lines = (
        chain(_BYTE_ORDER_MARK, exporter.write_csv(mailboxes)) if form is Format.CSV else exporter.write_json(mailboxes)
    )
    headers = {"Content-Disposition": f'attachment; filename="gmail-accounts.{form}"'}
    return StreamingResponse(_join_blocks(lines), headers=headers, media_type=_MEDIA_TYPES[form])


def _join_blocks(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to blocks: each block is a turn of a thread."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) >= _CHUNK_SIZE:
            yield "".join(block)
            block.clear()
    yield "".join(block)
