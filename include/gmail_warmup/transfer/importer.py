"""Import mailboxes and their grants in one transaction. All input is checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.errors import CiphertextError
from gmail_warmup.core.settings import DEFAULT_CLIENT_CONN_ID
from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.db.locks import lock_grants, lock_mailboxes
from gmail_warmup.db.models import GrantState, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.mailboxes import bulk, lookup, removals, repository
from gmail_warmup.mailboxes.bulk import MailboxInput
from gmail_warmup.mailboxes.change_log import record_change
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_import import import_grants
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.transfer.backup_settings import BackupSettings, restore_clients, restore_tag_schedules
from gmail_warmup.transfer.effects import REASONS, GrantOutcome, MailboxEffect, MailboxOutcome
from gmail_warmup.transfer.import_preview import diff_settings, merge_settings
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
    tag_schedules: int = 0
    """Tags whose schedule was changed."""
    clients: int = 0
    """OAuth clients that were registered, or whose limit, tags or state were changed."""
    mailboxes: list[MailboxEffect] = field(default_factory=list, repr=False)
    """The effect on each mailbox, in the order of the file."""

    @property
    def changed(self) -> int:
        """Return the number of existing mailboxes that get other settings or are paused."""
        return sum(effect.mailbox is MailboxOutcome.CHANGED for effect in self.mailboxes)

    @property
    def mailbox_count(self) -> int:
        """Return the number of mailboxes in the file."""
        return self.added + self.updated


_STORED = (GrantOutcome.IMPORTED, GrantOutcome.REPLACED)
"""The grants that an import writes."""


@retry_conflict
def import_mailboxes(
    store: GrantStore,
    incoming: Sequence[ParsedMailbox],
    *,
    actor: Actor,
    exported_at: datetime | None = None,
    overwrite_grants: bool = False,
    settings: BackupSettings | None = None,
    default_client: str = DEFAULT_CLIENT_CONN_ID,
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
        settings: the settings of a backup that belong to no mailbox.
        default_client: the Connection of the default OAuth client.
        dry_run: only count; write nothing.

    Raises:
        SecondSpellingError: if Google mailboxes of the file exist under other addresses; nothing is written.
        MailboxBeingRemovedError: if a mailbox of the file is being removed; nothing is written.
    """
    with write_transaction(store.engine) as connection:
        running = _Importer(
            connection, store, actor, exported_at=exported_at, overwrite=overwrite_grants, dry_run=dry_run
        )
        lookup.require_first_spelling(connection, [item.address for item in incoming])
        clients = schedules = 0
        if settings:
            clients, schedules = _restore_settings(
                connection, settings, default_client, actor=actor.name, dry_run=dry_run
            )
        done = running.run(sorted(incoming, key=lambda item: item.address))
        done.clients, done.tag_schedules = clients, schedules
        counts = {"added": done.added, "updated": done.changed, "paused": done.paused, "grants": done.grants}
        if not dry_run and any(counts.values()):
            record_change(connection, ChangeAction.IMPORT, actor=actor.name, after=counts)
        return done


def _restore_settings(
    connection: sa.Connection, settings: BackupSettings, default_client: str, *, actor: str, dry_run: bool
) -> tuple[int, int]:
    """Restore clients and schedules of tags; return the numbers of those that were changed. A dry run undoes it."""
    with connection.begin_nested() as savepoint:
        counts = (
            restore_clients(connection, settings, default=default_client, actor=actor),
            restore_tag_schedules(connection, settings, actor=actor),
        )
        if dry_run:
            savepoint.rollback()
    return counts


class _Importer:
    """Imports mailboxes in one transaction, with a few statements for any number of them."""

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
            Mailbox.id, Mailbox.address, *map(repository.get_column, MailboxSettings.model_fields),
            Mailbox.paused_at, OAuthGrant.refresh_token,
            OAuthGrant.granted_at, sa.and_(OAuthGrant.state == GrantState.ACTIVE, newer).label("newer"),
        ).join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)  # fmt: skip

    def run(self, items: Sequence[ParsedMailbox]) -> ImportResult:
        """Import all mailboxes and return the counts."""
        addresses = [item.address for item in items]
        self._granted_at = {row.address: row.granted_at for row in self._load_rows(addresses)}
        known = self._lock_existing(addresses)
        before = dict(known)
        if not self._dry_run:
            known |= self._add_new([item for item in items if item.address not in known])
            self._update_existing([item for item in items if item.address in known], known)
            self._pause(items)
        outcomes = {item.address: self._decide_grant(item, known.get(item.address)) for item in items}
        if not self._dry_run:
            self._write_grants([item for item in items if outcomes[item.address] in _STORED])
        done = ImportResult()
        for item in sorted(items, key=lambda item: item.number):
            effect = _to_effect(item, before.get(item.address), outcomes[item.address])
            done.mailboxes.append(effect)
            _count_mailbox(done, item, known.get(item.address), outcomes[item.address])
        return done

    def _lock_existing(self, addresses: Sequence[str]) -> dict[str, Any]:
        """Return the stored rows of these addresses, locked until the transaction ends; a dry run locks nothing."""
        if not self._dry_run:
            lock_grants(self._connection, lock_mailboxes(self._connection, lookup.has_address_in(addresses)))
        if removed := removals.find_removed(self._connection, addresses):
            raise removals.MailboxBeingRemovedError(removed[0])
        return {row.address: row for row in self._load_rows(addresses)}

    def _load_rows(self, addresses: Sequence[str]) -> Sequence[Any]:
        return self._connection.execute(self._query.where(lookup.has_address_in(addresses))).all()

    def _add_new(self, items: Sequence[ParsedMailbox]) -> dict[str, Any]:
        """Add mailboxes; return the rows of those that another transaction has added meanwhile."""
        inputs = [MailboxInput(address=item.address, settings=item.settings) for item in items]
        added = bulk.add_mailboxes(self._connection, inputs, actor=self._actor.name) if inputs else set()
        late = [item.address for item in items if item.address not in added]
        if not late:
            return {}
        lookup.require_first_spelling(self._connection, late)
        known = self._lock_existing(late)
        if erased := sorted(set(late) - set(known)):  # after the insert has waited for them
            raise removals.MailboxBeingRemovedError(erased[0])
        return known

    def _update_existing(self, items: Sequence[ParsedMailbox], known: Mapping[str, Any]) -> None:
        """Change the settings that the file contains: in one statement for all mailboxes with the same settings."""
        alike: dict[frozenset[str], list[MailboxInput]] = {}
        for item in items:
            given = frozenset(item.settings.model_fields_set)
            if "auth" in given and item.settings.auth != known[item.address].auth:  # rare, and resets the grant
                repository.add_or_update(
                    self._connection, item.address, item.settings, actor=self._actor.name, only=given
                )
            else:
                alike.setdefault(given, []).append(MailboxInput(address=item.address, settings=item.settings))
        for given, inputs in alike.items():
            bulk.update_mailboxes(self._connection, inputs, actor=self._actor.name, only=given)

    def _pause(self, items: Sequence[ParsedMailbox]) -> None:
        pauses = {item.address: item.pause for item in items if item.pause}
        if pauses:
            bulk.pause_each(self._connection, pauses, actor=self._actor.name)

    def _decide_grant(self, item: ParsedMailbox, known: Any | None) -> GrantOutcome:
        """Return what happens to the grant of a mailbox."""
        if item.grant is None:
            is_waiting = known is None and item.settings.auth is MailboxAuth.GRANT
            return GrantOutcome.NEEDS_SIGN_IN if is_waiting else GrantOutcome.NONE
        if known is None:
            return GrantOutcome.IMPORTED
        if known.granted_at != self._granted_at.get(item.address):  # the owner has consented since the import began
            return GrantOutcome.KEPT
        stored = GrantOutcome.REPLACED if known.refresh_token else GrantOutcome.IMPORTED
        if self._overwrite:
            return stored
        if known.refresh_token and self._decrypt_token(known) == item.grant.refresh_token:
            return GrantOutcome.UNCHANGED
        return GrantOutcome.KEPT if known.newer else stored

    def _decrypt_token(self, known: Any) -> str | None:
        try:
            return self._store.cipher.decrypt(build_secret_owner(known.id), known.refresh_token)
        except CiphertextError:
            return None

    def _write_grants(self, items: Sequence[ParsedMailbox]) -> None:
        query = sa.select(Mailbox.address, Mailbox.id).where(lookup.has_address_in([item.address for item in items]))
        ids = {row.address: row.id for row in self._connection.execute(query)}
        grants = {ids[item.address]: item.grant for item in items if item.grant}
        import_grants(self._connection, self._store.cipher, grants, actor=self._actor)


def _to_effect(item: ParsedMailbox, known: Any | None, grant: GrantOutcome) -> MailboxEffect:
    changes = diff_settings(known, merge_settings(item, known)) if known else ()
    pauses = bool(item.pause) and (known is None or known.paused_at is None)
    existing = MailboxOutcome.CHANGED if changes or pauses else MailboxOutcome.UNCHANGED
    return MailboxEffect(
        source=item.source,
        address=item.address,
        mailbox=MailboxOutcome.NEW if known is None else existing,
        grant=grant,
        changes=tuple(map(str, changes)),
        pauses=pauses,
        why=REASONS.get(grant, ""),
    )


def _count_mailbox(done: ImportResult, item: ParsedMailbox, known: Any | None, outcome: GrantOutcome) -> None:
    if known is None:
        done.added += 1
        done.to_sign_in += outcome is GrantOutcome.NEEDS_SIGN_IN
    else:
        done.updated += 1
    done.paused += bool(item.pause) and (known is None or known.paused_at is None)
    done.grants += outcome in _STORED
    done.grants_unchanged += outcome is GrantOutcome.UNCHANGED
    done.grants_kept += outcome is GrantOutcome.KEPT
