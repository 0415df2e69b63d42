"""Re-encryption of every stored secret with the newest Fernet key, while everything goes on running.

Each row is one UPDATE of its own that compares the ciphertexts it read. Whoever wrote a newer value meanwhile wins, and
the row is looked at again. Version and lease stay as they are, so that a refresh under way still finds its row. What is
done is seen from the ciphertexts alone: a run that was killed is simply run again.

The canary comes last. Until then a process that has the former key alone still starts, and works in every mailbox whose
row is not renewed yet; and a canary under the newest key says that every secret was once under it, so that the former
keys can go. A row that no key reads does not hold it back: the former keys do not read that row either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import CiphertextError
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.crypto.fernet_keys import FernetKeys
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import Canary, Consent, Mailbox, OAuthGrant

BATCH_SIZE = 200
MAX_ATTEMPTS = 10
"""How often a row is looked at again that somebody else keeps changing."""


@dataclass
class RotationResult:
    """What a rotation did; counts of rows, the addresses of those that stay as they were."""

    rotated: int = 0
    already_new: int = 0
    unreadable: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    """Rows that somebody else changed again and again; the next run takes them."""

    @property
    def rows_processed(self) -> int:
        """Return how many rows were looked at."""
        return self.rotated + self.already_new + len(self.unreadable) + len(self.unsettled)


@dataclass(frozen=True, kw_only=True)
class _SecretTable:
    """Where secrets stand: the columns, and what names and owns a row."""

    key: sa.ColumnElement[int]
    secrets: tuple[sa.ColumnElement[str | None], ...]
    rows: Any
    """SELECT of key, address and what the owner is made from, of the rows to look at."""
    build_owner: Callable[[str], str]


_GRANTS = _SecretTable(
    key=OAuthGrant.__table__.c.mailbox_id,
    secrets=(OAuthGrant.__table__.c.refresh_token, OAuthGrant.__table__.c.access_token),
    rows=sa.select(OAuthGrant.mailbox_id, Mailbox.address, sa.cast(OAuthGrant.mailbox_id, sa.Text))
    .join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id)
    .where(sa.or_(OAuthGrant.refresh_token.is_not(None), OAuthGrant.access_token.is_not(None))),
    build_owner=lambda mailbox_id: build_secret_owner(int(mailbox_id)),
)
_CONSENTS = _SecretTable(
    key=Consent.__table__.c.id,
    secrets=(Consent.__table__.c.code_verifier,),
    rows=sa.select(Consent.id, Consent.address, Consent.state_hash).where(
        Consent.used_at.is_(None), Consent.expires_at > sa.func.now()
    ),
    build_owner=lambda state_hash: f"consent:{state_hash}",
)
_CANARY = _SecretTable(
    key=Canary.__table__.c.id,
    secrets=(Canary.__table__.c.ciphertext,),
    rows=sa.select(Canary.id, sa.literal(key_check.CANARY_OWNER), sa.literal(key_check.CANARY_OWNER)),
    build_owner=lambda name: name,
)


@dataclass(frozen=True, kw_only=True)
class _SecretRow:
    key: int
    address: str
    owner: str
    secrets: tuple[str | None, ...] = field(repr=False)


def count_rows(engine: sa.Engine) -> int:
    """Return how many rows hold a secret."""
    with engine.connect() as connection:
        return sum(
            connection.execute(sa.select(sa.func.count()).select_from(table.rows.subquery())).scalar_one()
            for table in (_GRANTS, _CONSENTS)
        )


def rotate_keys(
    engine: sa.Engine, keys: FernetKeys, *, progress: Callable[[int], None] = lambda rows: None
) -> RotationResult:
    """Re-encrypt what is not under the newest key.

    Args:
        progress: called with the number of rows done so far, after each batch.
    """
    done = RotationResult()
    with connect_autocommit(engine) as connection:
        for table in (_GRANTS, _CONSENTS):
            for batch in _read_batches(connection, table):
                for row in batch:
                    _reencrypt_row(connection, table, row, keys, done)
                progress(done.rows_processed)
        if not done.unsettled:
            for (row,) in _read_batches(connection, _CANARY):
                _reencrypt_row(connection, _CANARY, row, keys, RotationResult())
    return done


@dataclass
class KeyUsage:
    """Under which keys the stored secrets are; the addresses of those that no key reads."""

    newest: int = 0
    former: int = 0
    unreadable: list[str] = field(default_factory=list)


def inspect_key_usage(engine: sa.Engine, keys: FernetKeys) -> KeyUsage:
    """Look at every stored secret and change nothing."""
    found = KeyUsage()
    with connect_autocommit(engine) as connection:
        for table in (_GRANTS, _CONSENTS):
            for batch in _read_batches(connection, table):
                for row in batch:
                    _inspect_row(row, keys, found)
    return found


def _inspect_row(row: _SecretRow, keys: FernetKeys, found: KeyUsage) -> None:
    secrets = [secret for secret in row.secrets if secret]
    try:
        newest = sum(keys.is_under_newest(row.owner, secret) for secret in secrets)
    except CiphertextError:
        found.unreadable.append(row.address)
        return
    found.newest += newest
    found.former += len(secrets) - newest


def _read_batches(connection: sa.Connection, table: _SecretTable) -> Iterator[list[_SecretRow]]:
    last = 0
    while True:
        query = table.rows.where(table.key > last).order_by(table.key).limit(BATCH_SIZE)
        batch = [_to_secret_row(table, found) for found in connection.execute(query.add_columns(*table.secrets))]
        if not batch:
            return
        yield batch
        last = batch[-1].key


def _to_secret_row(table: _SecretTable, found: Any) -> _SecretRow:
    key, address, owned_by, *secrets = found
    return _SecretRow(key=key, address=address, owner=table.build_owner(owned_by), secrets=tuple(secrets))


def _reencrypt_row(
    connection: sa.Connection, table: _SecretTable, row: _SecretRow, keys: FernetKeys, done: RotationResult
) -> None:
    """Renew all secrets of a row or none of them."""
    current: _SecretRow | None = row
    for _ in range(MAX_ATTEMPTS):
        if current is None:  # removed, or its consent was used, meanwhile
            return
        try:
            renewed = tuple(secret and keys.reencrypt(row.owner, secret) for secret in current.secrets)
        except CiphertextError:
            done.unreadable.append(row.address)
            return
        if renewed == current.secrets:
            done.already_new += 1
            return
        if _update_row(connection, table, current, renewed):
            done.rotated += 1
            return
        current = _reread_row(connection, table, row.key)
    done.unsettled.append(row.address)


def _update_row(connection: sa.Connection, table: _SecretTable, row: _SecretRow, renewed: Sequence[str | None]) -> bool:
    unchanged = [column.is_not_distinct_from(secret) for column, secret in zip(table.secrets, row.secrets, strict=True)]
    statement = (
        sa.update(table.key.table)
        .where(table.key == row.key, *unchanged)
        .values({column.name: secret for column, secret in zip(table.secrets, renewed, strict=True)})
    )
    return connection.execute(statement).rowcount == 1


def _reread_row(connection: sa.Connection, table: _SecretTable, key: int) -> _SecretRow | None:
    found = connection.execute(table.rows.where(table.key == key).add_columns(*table.secrets)).one_or_none()
    return None if found is None else _to_secret_row(table, found)
