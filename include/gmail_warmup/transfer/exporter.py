"""Export mailboxes: settings as CSV or JSON, or settings and grants as the content of an encrypted backup."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.characters import MAX_REASON_LENGTH, to_one_line
from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.errors import CiphertextError, InvalidInputError
from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant
from gmail_warmup.db.rows import DATA_ERRORS
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.change_log import record_change
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.mailboxes.tags import join_tags
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.transfer import csv_format
from gmail_warmup.transfer.backup_settings import BackupSettings, load_settings
from gmail_warmup.transfer.parser import (
    CSV_COLUMNS,
    PAUSE_COLUMN,
    PAUSE_END_COLUMN,
    SETTING_COLUMNS,
    ParsedMailbox,
    find_problem,
    parse_rows,
)
from gmail_warmup.transfer.times import parse_time

_UNUSABLE_STATES = (GrantState.NEEDS_REAUTH, GrantState.ACCOUNT_DELETED)
"""States in which a refresh token is no longer usable."""


@dataclass(kw_only=True)
class Backup:
    """Mailboxes with their grants, and the other settings, at the database's time ``exported_at``."""

    exported_at: datetime
    rows: list[dict[str, Any]] = field(repr=False)
    settings: BackupSettings = field(default_factory=BackupSettings)
    """What the operator configured apart from mailboxes."""
    unreadable: list[str] = field(default_factory=list)
    """Mailboxes whose grant cannot be decrypted; the backup contains them without it."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What no import would accept, by address or name, with the reason: it would make the whole backup useless."""

    @property
    def grant_count(self) -> int:
        """Return the number of grants in the backup."""
        return sum("grant" in row for row in self.rows)

    def to_json(self) -> str:
        """Return the JSON document that is encrypted."""
        document = {"exported_at": self.exported_at.isoformat(), "mailboxes": self.rows}
        return json.dumps(document | self.settings.to_document(), ensure_ascii=False)


def write_csv(mailboxes: Iterable[MailboxRecord]) -> Iterator[str]:
    """Yield the settings of mailboxes as lines of CSV for a later import, without secrets."""
    rows = (to_settings_row(mailbox) | {"tags": join_tags(mailbox.tags) or None} for mailbox in mailboxes)
    return csv_format.write_table(CSV_COLUMNS, rows)


def write_json(mailboxes: Iterable[MailboxRecord]) -> Iterator[str]:
    """Yield the settings of mailboxes as lines of a JSON list, one object per line."""
    before = "["
    for mailbox in mailboxes:
        yield f"{before}\n{json.dumps(to_settings_row(mailbox), ensure_ascii=False)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def to_settings_row(mailbox: MailboxRecord) -> dict[str, Any]:
    """Return address, settings and pause of a mailbox for an export."""
    row: dict[str, Any] = {"address": mailbox.address} | {name: getattr(mailbox, name) for name in SETTING_COLUMNS}
    reason = to_one_line(mailbox.pause_reason or "") or "paused"  # without a text, an import would not pause it
    row[PAUSE_COLUMN] = reason[:MAX_REASON_LENGTH] if mailbox.paused_at else None
    until = mailbox.paused_until if mailbox.paused_at else None
    row[PAUSE_END_COLUMN] = until.isoformat() if until else None
    return row


def record_export(engine: sa.Engine, *, actor: str, **content: Any) -> None:
    """Record that somebody exports settings; call it before the first of them leaves the database.

    Args:
        content: what is exported: format, number of mailboxes or filter.
    """
    with write_transaction(engine) as connection:
        record_change(connection, ChangeAction.EXPORT, actor=actor, after=content)


def create_backup(store: GrantStore, *, actor: str) -> Backup:
    """Read every mailbox with its grant, and the other settings, in one snapshot. Revoked grants are left out.

    A mailbox that an import would refuse is left out with the reason, so that the backup can be restored.
    """
    columns = (OAuthGrant.client_id, OAuthGrant.scopes, OAuthGrant.refresh_expires_at, OAuthGrant.granted_at)
    query = sa.select(OAuthGrant.mailbox_id, OAuthGrant.refresh_token, *columns).where(
        OAuthGrant.refresh_token.is_not(None), OAuthGrant.state.not_in(_UNUSABLE_STATES)
    )
    with read_transaction(store.engine, snapshot=True) as connection:
        exported_at = connection.execute(sa.select(sa.func.now())).scalar_one()
        mailboxes = repository.list_mailboxes(connection)
        grants = {row.mailbox_id: row for row in connection.execute(query)}
        duplicates = _load_duplicates(connection)
        settings, left_out = load_settings(connection)
    backup = Backup(exported_at=exported_at, rows=[], settings=settings, left_out=left_out)
    for mailbox in mailboxes:
        row, stored = to_settings_row(mailbox), grants.get(mailbox.id)
        if reason := duplicates.get(mailbox.address) or find_problem(row):
            backup.left_out[mailbox.address] = reason
            continue
        try:
            backup.rows.append(row | ({"grant": _export_grant(store, stored)} if stored else {}))
        except (CiphertextError, *DATA_ERRORS):
            backup.rows.append(row)
            backup.unreadable.append(mailbox.address)
    counts = {"mailboxes": len(backup.rows), "grants": backup.grant_count}
    with write_transaction(store.engine) as connection:
        record_change(connection, ChangeAction.BACKUP, actor=actor, after=counts)
    return backup


def _load_duplicates(connection: sa.Connection) -> dict[str, str]:
    """Return the second addresses of Google mailboxes, with what they are."""
    query = sa.select(Mailbox.address, Mailbox.pause_reason).where(Mailbox.duplicate_number > 0)
    return {row.address: row.pause_reason or "is a second address of a mailbox" for row in connection.execute(query)}


def parse_backup(text: str) -> tuple[datetime, list[ParsedMailbox]]:
    """Parse the JSON document of a backup; return the time of the backup and its mailboxes.

    Raises:
        InvalidInputError: if the document is invalid, listing every bad entry.
    """
    try:
        found = json.loads(text)
        exported_at, rows = parse_time(found["exported_at"], name="exported_at"), found["mailboxes"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidInputError("The backup does not have the format of its version; nothing was imported.") from None
    if exported_at is None:
        raise InvalidInputError("The backup contains no time at which it was made; nothing was imported.")
    return exported_at, parse_rows(rows)


def _export_grant(store: GrantStore, stored: Any) -> dict[str, Any]:
    return {
        "refresh_token": store.cipher.decrypt(build_secret_owner(stored.mailbox_id), stored.refresh_token),
        "client_id": stored.client_id,
        "scopes": stored.scopes,
        "refresh_expires_at": stored.refresh_expires_at and stored.refresh_expires_at.isoformat(),
        "granted_at": stored.granted_at and stored.granted_at.isoformat(),
    }
