"""Taking mailboxes over from a file. Everything is checked before anything is written, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.models import GrantState, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.errors import CiphertextError
from gmail_warmup.grants.incoming import Incoming, IncomingGrant
from gmail_warmup.grants.incoming import parse as parse
from gmail_warmup.grants.store import GrantStore
from gmail_warmup.grants.stored import Actor, owner_of
from gmail_warmup.mailboxes import repository


@dataclass
class TakenOver:
    """What an import did, or would do; numbers of mailboxes."""

    added: int = 0
    updated: int = 0
    paused: int = 0
    to_sign_in: int = 0
    """New mailboxes for which the file holds no grant."""
    grants: int = 0
    """Grants that were taken over."""
    grants_unchanged: int = 0
    """Grants that were stored here already."""
    grants_kept: int = 0
    """Grants that work here and are newer than those of the backup."""

    @property
    def mailboxes(self) -> int:
        """Return how many mailboxes the file holds."""
        return self.added + self.updated


class _Fate(Enum):
    TAKEN = auto()
    UNCHANGED = auto()
    KEPT = auto()


def take_over(
    store: GrantStore,
    incoming: Sequence[Incoming],
    *,
    actor: Actor,
    exported_at: datetime | None = None,
    overwrite_grants: bool = False,
    dry_run: bool = False,
) -> TakenOver:
    """Add or update all mailboxes, with their grants where they have one, in one transaction.

    A grant that is stored already stays as it is, with what is known about it. One that works and was granted or
    refreshed after the backup was made stays as well: it may be newer than the backup's.

    Args:
        exported_at: when the backup was made, by the clock of the database that it was made from.
        overwrite_grants: take every grant of the file over.
        dry_run: only count.
    """
    done = TakenOver()
    with store.engine.begin() as connection:
        present = _present(connection, incoming, exported_at, lock=not dry_run)
        for item in sorted(incoming, key=lambda item: item.address):  # one order, so that two imports cannot deadlock
            known = present.get(item.address)
            fate = _fate(store, item.grant, known, overwrite=overwrite_grants) if item.grant else None
            _count(done, item, known, fate)
            if not dry_run:
                _write(connection, store, item, actor, take_grant=fate is _Fate.TAKEN)
    return done


def _present(
    connection: sa.Connection, incoming: Sequence[Incoming], exported_at: datetime | None, *, lock: bool
) -> dict[str, Any]:
    touched = sa.func.greatest(OAuthGrant.granted_at, OAuthGrant.refreshed_at)
    newer = touched > exported_at if exported_at else sa.false()
    query = (
        sa.select(
            Mailbox.id, Mailbox.address, Mailbox.paused_at, OAuthGrant.refresh_token,
            sa.and_(OAuthGrant.state == GrantState.ACTIVE, newer).label("newer"),
        )
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(Mailbox.address.in_([item.address for item in incoming]))
        .order_by(Mailbox.id)
    )  # fmt: skip
    if lock:  # no refresh may come between this look and the write
        query = query.with_for_update(of=OAuthGrant)
    return {row.address: row for row in connection.execute(query)}


def _fate(store: GrantStore, grant: IncomingGrant, known: Any | None, *, overwrite: bool) -> _Fate:
    if known is None or overwrite:
        return _Fate.TAKEN
    if known.refresh_token and _secret(store, known) == grant.refresh_token:
        return _Fate.UNCHANGED
    return _Fate.KEPT if known.newer else _Fate.TAKEN


def _secret(store: GrantStore, known: Any) -> str | None:
    try:
        return store.cipher.decrypt(owner_of(known.id), known.refresh_token)
    except CiphertextError:
        return None


def _count(done: TakenOver, item: Incoming, known: Any | None, fate: _Fate | None) -> None:
    if known is None:
        done.added += 1
        done.to_sign_in += fate is None and item.settings.auth is MailboxAuth.GRANT
    else:
        done.updated += 1
    done.paused += bool(item.pause_reason) and (known is None or known.paused_at is None)
    done.grants += fate is _Fate.TAKEN
    done.grants_unchanged += fate is _Fate.UNCHANGED
    done.grants_kept += fate is _Fate.KEPT


def _write(connection: sa.Connection, store: GrantStore, item: Incoming, actor: Actor, *, take_grant: bool) -> None:
    mailbox_id = repository.add_or_update(connection, item.address, item.settings, actor=actor.name)
    if item.pause_reason:
        repository.pause(connection, [item.address], actor=actor.name, reason=item.pause_reason)
    if take_grant:
        assert item.grant
        store.adopt(
            connection,
            mailbox_id,
            refresh_token=item.grant.refresh_token,
            access_token=item.grant.access_token,
            access_expires_at=item.grant.expires_at,
            client_id=item.grant.client_id,
            scopes=item.grant.scopes,
            refresh_expires_at=item.grant.refresh_expires_at,
            granted_at=item.grant.granted_at,
            actor=actor,
        )
