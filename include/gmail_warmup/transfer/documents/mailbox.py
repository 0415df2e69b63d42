"""Everything that is stored about one mailbox, as one JSON document without secrets.

Tables that refer to a mailbox are found in the metadata, so that a new table needs no change here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.db import clock
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import LEDGER_HISTORY, Base, Consent, Mailbox
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.mailboxes.change_log import Change, Subject, record_changes
from gmail_warmup.mailboxes.lookup import MailboxAddress

FORMAT = "gmail-warmup mailbox"

SECRET_COLUMNS = frozenset(
    {
        "access_token", "browser_hash", "code_verifier", "kept_result", "lease_holder", "lease_until", "refresh_token",
        "state_hash", "token_hash",
    }
)  # fmt: skip
"""Columns that no document contains: tokens, what opens a link, and who works at the moment."""

_KEYS = ("mailbox_id", "sender_id", "recipient_id")
_ROWS_AT_ONCE = 1000


def record_export(connection: sa.Connection, mailboxes: Iterable[MailboxAddress], *, actor: str) -> None:
    """Record that the documents of mailboxes were exported."""
    subjects = (Subject.of_mailbox(mailbox.id, mailbox.address) for mailbox in mailboxes)
    record_changes(
        connection, (Change(action=ChangeAction.MAILBOX_EXPORT, actor=actor, subject=item) for item in subjects)
    )


def iter_document(engine: sa.Engine, mailbox: MailboxAddress) -> Iterator[str]:
    """Yield the document in parts, as it is at one moment."""
    with read_transaction(engine, snapshot=True) as connection:
        head = {"format": FORMAT, "version": 1, "address": mailbox.address}
        head |= {"exported_at": clock.get_current_time(connection).astimezone(UTC).isoformat()}
        yield json.dumps(head, ensure_ascii=False)[:-1] + ', "tables": {'
        separator = "\n"
        for table in Base.metadata.sorted_tables:
            if (query := _select_rows(table, mailbox)) is not None:
                yield f'{separator}"{table.name}": ['
                yield from _iter_rows(connection, query)
                yield "]"
                separator = ",\n"
        yield "\n}}\n"


def _iter_rows(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[str]:
    separator = "\n"
    for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query):
        yield separator + json.dumps(dict(row._mapping), default=_to_json_value, ensure_ascii=False)
        separator = ",\n"


def _to_json_value(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _select_rows(table: sa.Table, mailbox: MailboxAddress) -> sa.Select[Any] | None:
    """Return the query of the rows about a mailbox, or None if a table has none."""
    keys = [column for column in table.columns if column.name in _KEYS]
    if table is Mailbox.__table__:
        keys = [table.c.id]
    if not keys:
        return None
    is_own = sa.or_(*(column == mailbox.id for column in keys))
    if table is Consent.__table__:
        is_own = sa.or_(is_own, table.c.address == mailbox.address)
    columns = [column for column in table.columns if column.name not in SECRET_COLUMNS]
    query = sa.select(*columns).where(is_own).order_by(*table.primary_key.columns)
    return _add_addresses(query, table) if table in (L.__table__, LEDGER_HISTORY) else query


def _add_addresses(query: sa.Select[Any], table: sa.Table) -> sa.Select[Any]:
    """Add the addresses of both mailboxes to mails; null for a removed one."""
    for key, name in ((table.c.sender_id, "sender"), (table.c.recipient_id, "recipient")):
        other = aliased(Mailbox)
        query = query.outerjoin(other, other.id == key).add_columns(other.address.label(name))
    return query
