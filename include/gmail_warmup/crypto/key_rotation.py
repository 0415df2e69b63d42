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
from gmail_warmup.crypto.cipher import owner_of
from gmail_warmup.crypto.fernet_keys import Keys
from gmail_warmup.db.engine import by_itself
from gmail_warmup.db.models import Canary, Consent, Mailbox, OAuthGrant

BATCH = 200
TRIES = 10
"""How often a row is looked at again that somebody else keeps changing."""


@dataclass
class Rotation:
    """What a rotation did; counts of rows, the addresses of those that stay as they were."""

    rotated: int = 0
    already_new: int = 0
    unreadable: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    """Rows that somebody else changed again and again; the next run takes them."""

    @property
    def looked_at(self) -> int:
        """Return how many rows were looked at."""
        return self.rotated + self.already_new + len(self.unreadable) + len(self.unsettled)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Where secrets stand: the columns, and what names and owns a row."""

    key: sa.ColumnElement[int]
    secrets: tuple[sa.ColumnElement[str | None], ...]
    rows: Any
    """SELECT of key, address and what the owner is made from, of the rows to look at."""
    owner: Callable[[str], str]


_GRANTS = _Table(
    key=OAuthGrant.__table__.c.mailbox_id,
    secrets=(OAuthGrant.__table__.c.refresh_token, OAuthGrant.__table__.c.access_token),
    rows=sa.select(OAuthGrant.mailbox_id, Mailbox.address, sa.cast(OAuthGrant.mailbox_id, sa.Text))
    .join(Mailbox, Mailbox.id == OAuthGrant.mailbox_id)
    .where(sa.or_(OAuthGrant.refresh_token.is_not(None), OAuthGrant.access_token.is_not(None))),
    owner=lambda mailbox_id: owner_of(int(mailbox_id)),
)
_CONSENTS = _Table(
    key=Consent.__table__.c.id,
    secrets=(Consent.__table__.c.code_verifier,),
    rows=sa.select(Consent.id, Consent.address, Consent.state_hash).where(
        Consent.used_at.is_(None), Consent.expires_at > sa.func.now()
    ),
    owner=lambda state_hash: f"consent:{state_hash}",
)
_CANARY = _Table(
    key=Canary.__table__.c.id,
    secrets=(Canary.__table__.c.ciphertext,),
    rows=sa.select(Canary.id, sa.literal(key_check.OWNER), sa.literal(key_check.OWNER)),
    owner=lambda name: name,
)


@dataclass(frozen=True, kw_only=True)
class _Row:
    key: int
    address: str
    owner: str
    secrets: tuple[str | None, ...] = field(repr=False)


def count(engine: sa.Engine) -> int:
    """Return how many rows hold a secret."""
    with engine.connect() as connection:
        return sum(
            connection.execute(sa.select(sa.func.count()).select_from(table.rows.subquery())).scalar_one()
            for table in (_GRANTS, _CONSENTS)
        )


def rotate(engine: sa.Engine, keys: Keys, *, progress: Callable[[int], None] = lambda rows: None) -> Rotation:
    """Re-encrypt what is not under the newest key.

    Args:
        progress: called with the number of rows done so far, after each batch.
    """
    done = Rotation()
    with by_itself(engine) as connection:
        for table in (_GRANTS, _CONSENTS):
            for batch in _batches(connection, table):
                for row in batch:
                    _renew_row(connection, table, row, keys, done)
                progress(done.looked_at)
        if not done.unsettled:
            for (row,) in _batches(connection, _CANARY):
                _renew_row(connection, _CANARY, row, keys, Rotation())
    return done


@dataclass
class Survey:
    """Under which keys the stored secrets are; the addresses of those that no key reads."""

    newest: int = 0
    former: int = 0
    unreadable: list[str] = field(default_factory=list)


def survey(engine: sa.Engine, keys: Keys) -> Survey:
    """Look at every stored secret and change nothing."""
    found = Survey()
    with by_itself(engine) as connection:
        for table in (_GRANTS, _CONSENTS):
            for batch in _batches(connection, table):
                for row in batch:
                    _look(row, keys, found)
    return found


def _look(row: _Row, keys: Keys, found: Survey) -> None:
    secrets = [secret for secret in row.secrets if secret]
    try:
        newest = sum(keys.is_newest(row.owner, secret) for secret in secrets)
    except CiphertextError:
        found.unreadable.append(row.address)
        return
    found.newest += newest
    found.former += len(secrets) - newest


def _batches(connection: sa.Connection, table: _Table) -> Iterator[list[_Row]]:
    last = 0
    while True:
        query = table.rows.where(table.key > last).order_by(table.key).limit(BATCH)
        batch = [_row(table, found) for found in connection.execute(query.add_columns(*table.secrets))]
        if not batch:
            return
        yield batch
        last = batch[-1].key


def _row(table: _Table, found: Any) -> _Row:
    key, address, owned_by, *secrets = found
    return _Row(key=key, address=address, owner=table.owner(owned_by), secrets=tuple(secrets))


def _renew_row(connection: sa.Connection, table: _Table, row: _Row, keys: Keys, done: Rotation) -> None:
    """Renew all secrets of a row or none of them."""
    current: _Row | None = row
    for _ in range(TRIES):
        if current is None:  # removed, or its consent was used, meanwhile
            return
        try:
            renewed = tuple(secret and keys.renew(row.owner, secret) for secret in current.secrets)
        except CiphertextError:
            done.unreadable.append(row.address)
            return
        if renewed == current.secrets:
            done.already_new += 1
            return
        if _write(connection, table, current, renewed):
            done.rotated += 1
            return
        current = _again(connection, table, row.key)
    done.unsettled.append(row.address)


def _write(connection: sa.Connection, table: _Table, row: _Row, renewed: Sequence[str | None]) -> bool:
    unchanged = [column.is_not_distinct_from(secret) for column, secret in zip(table.secrets, row.secrets, strict=True)]
    statement = (
        sa.update(table.key.table)
        .where(table.key == row.key, *unchanged)
        .values({column.name: secret for column, secret in zip(table.secrets, renewed, strict=True)})
    )
    return connection.execute(statement).rowcount == 1


def _again(connection: sa.Connection, table: _Table, key: int) -> _Row | None:
    found = connection.execute(table.rows.where(table.key == key).add_columns(*table.secrets)).one_or_none()
    return None if found is None else _row(table, found)
