"""Import mailboxes and their grants in one transaction. All input is checked before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import CiphertextError
from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.locks import lock_grants, lock_mailboxes
from gmail_warmup.db.models import GrantState, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.mailboxes import lookup, repository
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.transfer.authorized_user import ImportedGrant
from gmail_warmup.transfer.parser import ParsedMailbox


@dataclass
class ImportResult:
    """Numbers of mailboxes and grants that an import changed, or would change."""

    added: int = 0
    updated: int = 0
    paused: int = 0
    to_sign_in: int = 0
    """New mailboxes for which the file contains no grant."""
    grants: int = 0
    """Grants that were imported."""
    grants_unchanged: int = 0
    """Grants that were already stored."""
    grants_kept: int = 0
    """Stored grants that work and are newer than those of the backup; they were kept."""

    @property
    def mailbox_count(self) -> int:
        """Return the number of mailboxes in the file."""
        return self.added + self.updated


class _GrantOutcome(Enum):
    IMPORTED = auto()
    UNCHANGED = auto()
    KEPT = auto()


@retry_conflict
def import_mailboxes(
    store: GrantStore,
    incoming: Sequence[ParsedMailbox],
    *,
    actor: Actor,
    exported_at: datetime | None = None,
    overwrite_grants: bool = False,
    dry_run: bool = False,
) -> ImportResult:
    """Add or update all mailboxes, with their grants if the file contains them, in one transaction.

    Settings without a column in the file are not changed.

    A grant that is already stored is kept with its state. A stored grant that works and was granted or refreshed after
    the backup was made is kept too, because it may be newer than the one of the backup. A grant that an owner consents
    to while the import runs is kept in any case.

    Args:
        exported_at: time of the backup, by the clock of the database from which it was made.
        overwrite_grants: import every grant of the file, unless its owner consents to another one meanwhile.
        dry_run: only count; write nothing.

    Raises:
        SecondSpellingError: if Google mailboxes of the file exist under other addresses; nothing is written.
    """
    done = ImportResult()  # counted again if the transaction is repeated
    with write_transaction(store.engine) as connection:
        running = _Importer(
            connection, store, actor, exported_at=exported_at, overwrite=overwrite_grants, dry_run=dry_run
        )
        lookup.require_first_spelling(connection, [item.address for item in incoming])
        present = running.lock_existing([item.address for item in incoming])
        for item in sorted(incoming, key=lambda item: item.address):  # two imports add mailboxes in one order
            known = present.get(item.address)
            outcome = running.import_mailbox(item, known)
            _count_mailbox(done, item, known, outcome)
    return done


class _Importer:
    """Imports mailboxes in one transaction."""

    def __init__(
        self,
        connection: sa.Connection,
        store: GrantStore,
        actor: Actor,
        *,
        exported_at: datetime | None,
        overwrite: bool,
        dry_run: bool,
    ) -> None:
        self._connection, self._store, self._actor = connection, store, actor
        self._overwrite, self._dry_run = overwrite, dry_run
        self._granted_at: dict[str, datetime | None] = {}
        """When the stored grants were consented to, by address, as it was when the import began."""
        touched = sa.func.greatest(OAuthGrant.granted_at, OAuthGrant.refreshed_at)
        newer = touched > exported_at if exported_at else sa.false()
        self._query: Any = sa.select(
            Mailbox.id, Mailbox.address, Mailbox.paused_at, OAuthGrant.refresh_token, OAuthGrant.granted_at,
            sa.and_(OAuthGrant.state == GrantState.ACTIVE, newer).label("newer"),
        ).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)  # fmt: skip

    def lock_existing(self, addresses: Sequence[str]) -> dict[str, Any]:
        """Lock the stored rows of these addresses and return them by address; a dry run locks nothing."""
        self._granted_at = {row.address: row.granted_at for row in self._load_rows(addresses)}
        if not self._dry_run:
            lock_grants(self._connection, lock_mailboxes(self._connection, repository.has_address_in(addresses)))
        return {row.address: row for row in self._load_rows(addresses)}

    def _load_rows(self, addresses: Sequence[str]) -> Sequence[Any]:
        return self._connection.execute(self._query.where(repository.has_address_in(addresses))).all()

    def import_mailbox(self, item: ParsedMailbox, known: Any | None) -> _GrantOutcome | None:
        """Import one mailbox; return the outcome for its grant, or None if the file contains none."""
        mailbox_id = None if self._dry_run else self._add_mailbox(item)
        if item.grant is None:
            return None
        outcome = self._decide_grant(item.grant, known)
        if mailbox_id is None or outcome is not _GrantOutcome.IMPORTED:
            return outcome
        return outcome if self._import_grant(mailbox_id, item) else _GrantOutcome.KEPT

    def _add_mailbox(self, item: ParsedMailbox) -> int:
        mailbox_id = repository.add_or_update(
            self._connection,
            item.address,
            item.settings,
            actor=self._actor.name,
            only=item.settings.model_fields_set,
        )
        if item.pause_reason:
            repository.pause_mailboxes(
                self._connection, [item.address], actor=self._actor.name, reason=item.pause_reason
            )
        return mailbox_id

    def _decide_grant(self, grant: ImportedGrant, known: Any | None) -> _GrantOutcome:
        if known is None or self._overwrite:
            return _GrantOutcome.IMPORTED
        if known.refresh_token and self._decrypt_token(known) == grant.refresh_token:
            return _GrantOutcome.UNCHANGED
        return _GrantOutcome.KEPT if known.newer else _GrantOutcome.IMPORTED

    def _decrypt_token(self, known: Any) -> str | None:
        try:
            return self._store.cipher.decrypt(build_secret_owner(known.id), known.refresh_token)
        except CiphertextError:
            return None

    def _import_grant(self, mailbox_id: int, item: ParsedMailbox) -> bool:
        """Store a grant; return False if the owner has consented since the import began."""
        grant = item.grant
        assert grant
        return self._store.import_grant(
            self._connection,
            mailbox_id,
            refresh_token=grant.refresh_token,
            access_token=grant.access_token,
            access_expires_at=grant.expires_at,
            client_id=grant.client_id,
            scopes=grant.scopes,
            refresh_expires_at=grant.refresh_expires_at,
            granted_at=grant.granted_at,
            replaces=self._granted_at.get(item.address),
            actor=self._actor,
        )


def _count_mailbox(done: ImportResult, item: ParsedMailbox, known: Any | None, outcome: _GrantOutcome | None) -> None:
    if known is None:
        done.added += 1
        done.to_sign_in += outcome is None and item.settings.auth is MailboxAuth.GRANT
    else:
        done.updated += 1
    done.paused += bool(item.pause_reason) and (known is None or known.paused_at is None)
    done.grants += outcome is _GrantOutcome.IMPORTED
    done.grants_unchanged += outcome is _GrantOutcome.UNCHANGED
    done.grants_kept += outcome is _GrantOutcome.KEPT
