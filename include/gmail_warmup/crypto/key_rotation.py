"""Re-encrypt all stored secrets with the newest Fernet key, while the installation keeps running.

Each row is one UPDATE that compares the ciphertexts that were read. If another process wrote a newer value, the row is
read again. Version and lease do not change, so that a refresh in progress still matches its row. Progress is derived
from the ciphertexts alone, so that a run that was killed can be repeated.

The canary is re-encrypted last. Until then, a process that has only the former key still starts and works with every
mailbox whose row is not re-encrypted yet. A canary under the newest key shows that all secrets are encrypted with it,
so that the former keys can be removed. A row that no key decrypts does not prevent this: the former keys do not help.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.errors import CiphertextError
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.crypto.fernet_keys import FernetKeys
from gmail_warmup.db.engine import autocommit, read_transaction
from gmail_warmup.db.models import Canary, Consent, Mailbox, OAuthGrant
from gmail_warmup.mailboxes.change_log import record_change

BATCH_SIZE = 200
MAX_ATTEMPTS = 10
"""Maximum number of attempts for a row that other processes keep changing."""


@dataclass
class RotationResult:
    """The result of a rotation: numbers of rows, and the addresses of those that were not re-encrypted."""

    rotated: int = 0
    already_new: int = 0
    unreadable: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    """Rows that other processes changed at every attempt; the next run re-encrypts them."""

    @property
    def rows_processed(self) -> int:
        """Return the number of rows that were read."""
        return self.rotated + self.already_new + len(self.unreadable) + len(self.unsettled)


@dataclass(frozen=True, kw_only=True)
class _SecretTable:
    """A table with secrets: its key, its encrypted columns, and how to build the owner of a row."""

    key: sa.ColumnElement[int]
    secrets: tuple[sa.ColumnElement[str | None], ...]
    rows: Any
    """SELECT of ``key``, ``address`` and ``owned_by`` (argument of ``build_owner``) of the rows with secrets."""
    build_owner: Callable[[str], str]


_GRANTS = _SecretTable(
    key=OAuthGrant.__table__.c.mailbox_id,
    secrets=(OAuthGrant.__table__.c.refresh_token, OAuthGrant.__table__.c.access_token),
    rows=sa.select(
        OAuthGrant.mailbox_id.label("key"), Mailbox.address, sa.cast(OAuthGrant.mailbox_id, sa.Text).label("owned_by")
    )
    .join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id)
    .where(sa.or_(OAuthGrant.refresh_token.is_not(None), OAuthGrant.access_token.is_not(None))),
    build_owner=lambda mailbox_id: build_secret_owner(int(mailbox_id)),
)
_CONSENTS = _SecretTable(
    key=Consent.__table__.c.id,
    secrets=(Consent.__table__.c.code_verifier,),
    rows=sa.select(Consent.id.label("key"), Consent.address, Consent.state_hash.label("owned_by")).where(
        Consent.used_at.is_(None), Consent.expires_at > sa.func.now()
    ),
    build_owner=lambda state_hash: f"consent:{state_hash}",
)
_KEPT_RESULTS = _SecretTable(
    key=Consent.__table__.c.id,
    secrets=(Consent.__table__.c.kept_result,),
    rows=sa.select(Consent.id.label("key"), Consent.address, sa.cast(Consent.id, sa.Text).label("owned_by")).where(
        Consent.kept_until > sa.func.now()
    ),
    build_owner=lambda consent_id: f"kept-result:{consent_id}",
)
_CANARY = _SecretTable(
    key=Canary.__table__.c.id,
    secrets=(Canary.__table__.c.ciphertext,),
    rows=sa.select(
        Canary.id.label("key"),
        sa.literal(key_check.CANARY_OWNER).label("address"),
        sa.literal(key_check.CANARY_OWNER).label("owned_by"),
    ),
    build_owner=lambda name: name,
)


@dataclass(frozen=True, kw_only=True)
class _SecretRow:
    key: int
    address: str
    owner: str
    secrets: tuple[str | None, ...] = field(repr=False)


def count_rows(engine: sa.Engine) -> int:
    """Return the number of rows that contain a secret."""
    with read_transaction(engine) as connection:
        return sum(
            connection.execute(sa.select(sa.func.count()).select_from(table.rows.subquery())).scalar_one()
            for table in (_GRANTS, _CONSENTS, _KEPT_RESULTS)
        )


def rotate_keys(
    engine: sa.Engine, keys: FernetKeys, *, actor: str, progress: Callable[[int], None] = lambda rows: None
) -> RotationResult:
    """Re-encrypt all secrets that are not encrypted with the newest key.

    The rotation is recorded before its first change, because a run that is killed has changed some rows.

    Args:
        progress: called with the number of rows done so far, after each batch.
    """
    result = RotationResult()
    with autocommit(engine) as connection:
        record_change(connection, ChangeAction.KEY_ROTATION, actor=actor, after={"keys": keys.count})
        for table in (_GRANTS, _CONSENTS, _KEPT_RESULTS):
            for batch in _read_batches(connection, table):
                for row in batch:
                    _reencrypt_row(connection, table, row, keys, result)
                progress(result.rows_processed)
        if not result.unsettled:
            for batch in _read_batches(connection, _CANARY):
                for row in batch:
                    _reencrypt_row(connection, _CANARY, row, keys, RotationResult())
    return result


@dataclass
class KeyUsage:
    """Number of secrets per key, and the addresses of the rows that no key decrypts."""

    newest: int = 0
    former: int = 0
    unreadable: list[str] = field(default_factory=list)


def inspect_key_usage(engine: sa.Engine, keys: FernetKeys) -> KeyUsage:
    """Decrypt all stored secrets, and change nothing."""
    usage = KeyUsage()
    with autocommit(engine) as connection:
        for table in (_GRANTS, _CONSENTS, _KEPT_RESULTS):
            for batch in _read_batches(connection, table):
                for row in batch:
                    _inspect_row(row, keys, usage)
    return usage


def _inspect_row(row: _SecretRow, keys: FernetKeys, usage: KeyUsage) -> None:
    secrets = [secret for secret in row.secrets if secret]
    try:
        newest = sum(keys.is_under_newest(row.owner, secret) for secret in secrets)
    except CiphertextError:
        usage.unreadable.append(row.address)
        return
    usage.newest += newest
    usage.former += len(secrets) - newest


def _read_batches(connection: sa.Connection, table: _SecretTable) -> Iterator[list[_SecretRow]]:
    last = 0
    while True:
        query = table.rows.where(table.key > last).order_by(table.key).limit(BATCH_SIZE)
        batch = [_to_secret_row(table, row) for row in connection.execute(query.add_columns(*table.secrets))]
        if not batch:
            return
        yield batch
        last = batch[-1].key


def _to_secret_row(table: _SecretTable, row: Any) -> _SecretRow:
    secrets = tuple(row._mapping[column] for column in table.secrets)
    return _SecretRow(key=row.key, address=row.address, owner=table.build_owner(row.owned_by), secrets=secrets)


def _reencrypt_row(
    connection: sa.Connection, table: _SecretTable, row: _SecretRow, keys: FernetKeys, result: RotationResult
) -> None:
    """Re-encrypt all secrets of a row, or none of them."""
    current: _SecretRow | None = row
    for _ in range(MAX_ATTEMPTS):
        if current is None:  # removed, or its consent was used, in the meantime
            return
        try:
            reencrypted = tuple(secret and keys.reencrypt(row.owner, secret) for secret in current.secrets)
        except CiphertextError:
            result.unreadable.append(row.address)
            return
        if reencrypted == current.secrets:
            result.already_new += 1
            return
        if _update_row(connection, table, current, reencrypted):
            result.rotated += 1
            return
        current = _reread_row(connection, table, row.key)
    result.unsettled.append(row.address)


def _update_row(
    connection: sa.Connection, table: _SecretTable, row: _SecretRow, reencrypted: Sequence[str | None]
) -> bool:
    unchanged = [column.is_not_distinct_from(secret) for column, secret in zip(table.secrets, row.secrets, strict=True)]
    statement = (
        sa.update(table.key.table)
        .where(table.key == row.key, *unchanged)
        .values({column.name: secret for column, secret in zip(table.secrets, reencrypted, strict=True)})
    )
    return connection.execute(statement).rowcount == 1


def _reread_row(connection: sa.Connection, table: _SecretTable, key: int) -> _SecretRow | None:
    row = connection.execute(table.rows.where(table.key == key).add_columns(*table.secrets)).one_or_none()
    return None if row is None else _to_secret_row(table, row)
