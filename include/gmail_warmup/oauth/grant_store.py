"""Read grants, and write them with a compare on the version that was read.

A slow refresh, a process that lost its lease or an answer about a replaced token finds another version and changes
nothing. Each method is one short transaction, because the caller sends a token request between two of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import GrantEventReason, RefusingParty
from gmail_warmup.crypto.cipher import Cipher, build_secret_owner
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.engine import autocommit, retry_conflict, write_transaction
from gmail_warmup.db.models import GrantState, OAuthGrant
from gmail_warmup.db.rows import write_each
from gmail_warmup.oauth import grant_updates, mass_refusal
from gmail_warmup.oauth.grant import Actor, StoredGrant, get_grant, get_grants
from gmail_warmup.oauth.grant_import import ImportedGrant, import_grants
from gmail_warmup.oauth.grant_updates import GrantUpdate, RefreshedTokens
from gmail_warmup.oauth.reasons import Reason
from gmail_warmup.oauth.refusal_policy import RefusalPolicy
from gmail_warmup.oauth.token_endpoint import TokenResult

_G = OAuthGrant


class GrantStore:
    """Read and write grants.

    Args:
        suspect_delay: seconds until a suspect grant is probed a second time.
    """

    def __init__(self, engine: sa.Engine, cipher: Cipher, *, suspect_delay: int = 900) -> None:
        self.engine, self.cipher = engine, cipher
        self.refusal_policy = RefusalPolicy(suspect_delay=suspect_delay)

    def read_grant(self, address: str) -> StoredGrant:
        """Return the grant of a mailbox, in one round trip.

        Raises:
            UnknownMailboxError: if no mailbox has this address.
        """
        with autocommit(self.engine) as connection:
            return get_grant(connection, address)

    def read_grants(self, mailbox_ids: Sequence[int]) -> list[StoredGrant]:
        """Return the grants of these mailboxes, ordered by mailbox id."""
        with autocommit(self.engine) as connection:
            return get_grants(connection, mailbox_ids)

    def record_tokens(
        self, grant: StoredGrant, result: TokenResult, *, elapsed: float, client_id: str, actor: Actor
    ) -> bool:
        """Store the tokens of a successful refresh; return False if the grant was replaced in the meantime.

        Args:
            elapsed: seconds since the request was sent; deducted from the lifetime of the tokens.
        """
        update = self.build_success_update(grant, result, elapsed=elapsed, client_id=client_id)
        return bool(self.apply_updates([update], actor=actor))

    @retry_conflict
    def record_refusal(
        self,
        grant: StoredGrant,
        reason: Reason,
        *,
        actor: Actor,
        party: RefusingParty = RefusingParty.TOKEN_ENDPOINT,
    ) -> GrantUpdate | None:
        """Store a refusal; return the update that was written, or None if the grant was replaced in the meantime.

        Above the limit of the mass refusal check the grant becomes suspect instead of flagged.
        """
        update = self.refusal_policy.decide(grant, reason, party)
        with write_transaction(self.engine) as connection:
            if mass_refusal.counts_for_mass_refusal(grant, reason):
                mass_refusal.lock_refusal_count(connection)
                if not _lock_unchanged(connection, grant):
                    return None
                if incident_id := mass_refusal.open_incident_if_over_limit(connection, reason, grant.client_id):
                    update = self.refusal_policy.hold(update, incident_id)
            written = grant_updates.apply_updates(connection, [update], actor=actor)
        return update if written else None

    def record_gmail_success(self, grant: StoredGrant, *, actor: Actor) -> bool:
        """End the suspicion that Gmail caused, because Gmail answers; return whether the grant was written."""
        if not grant.is_suspected_by_gmail:
            return False
        return bool(self.apply_updates([GrantUpdate(grant=grant, state=GrantState.ACTIVE)], actor=actor))

    @retry_conflict
    def apply_updates(self, updates: Sequence[GrantUpdate], *, actor: Actor) -> set[int]:
        """Write updates in one transaction; return the ids of the mailboxes whose grant was not replaced meanwhile."""
        with write_transaction(self.engine) as connection:
            return grant_updates.apply_updates(connection, updates, actor=actor)

    def apply_each(self, updates: Sequence[GrantUpdate], *, actor: Actor) -> tuple[set[int], list[GrantUpdate]]:
        """Write updates like ``apply_updates``; if a value of one is not accepted, the others are written all the same.

        Returns:
            The ids of the mailboxes whose grant was written, and the updates with a value that is not accepted.
        """
        if not updates:
            return set(), []
        written, rejected = write_each(
            updates,
            lambda batch: self.apply_updates(batch, actor=actor),
            name=lambda update: f"The new state of the grant of {update.grant.address}",
        )
        return set().union(*written), rejected

    def build_success_update(
        self, grant: StoredGrant, result: TokenResult, *, elapsed: float, client_id: str
    ) -> GrantUpdate:
        """Return the update of a grant that was refreshed, with its tokens encrypted.

        A refresh does not end a state that Gmail caused.
        """
        refresh_token, expires_in = result.refresh_token, result.refresh_expires_in
        tokens = RefreshedTokens(
            access_token=self.cipher.encrypt(grant.secret_owner, result.access_token),
            access_seconds=result.expires_in - elapsed,
            refresh_token=self.cipher.encrypt(grant.secret_owner, refresh_token) if refresh_token else None,
            refresh_seconds=expires_in - elapsed if expires_in else None,
            scopes=result.scopes,
            client_id=client_id,
        )
        return dataclasses.replace(self.build_token_success(grant), tokens=tokens)

    def build_token_success(self, grant: StoredGrant) -> GrantUpdate:
        """Return the update of a mailbox for which Google has just issued an access token that is not stored."""
        if grant.refused_by is RefusingParty.GMAIL:
            return dataclasses.replace(self.refusal_policy.keep(grant), verified=True)
        return GrantUpdate(grant=grant, state=GrantState.ACTIVE, verified=True)

    def store_consent(
        self,
        connection: sa.Connection,
        mailbox_id: int,
        result: TokenResult,
        *,
        client_id: str,
        elapsed: float,
        actor: Actor,
    ) -> str | None:
        """Replace a mailbox's grant by one that was just consented to; return its former state.

        It runs inside the caller's transaction.
        """
        assert result.refresh_token
        owner, expires_in = build_secret_owner(mailbox_id), result.refresh_expires_in
        values = {
            "client_id": client_id,
            "refresh_token": self.cipher.encrypt(owner, result.refresh_token),
            "refresh_expires_at": sa.func.now() + make_interval(expires_in - elapsed) if expires_in else None,
            "access_token": self.cipher.encrypt(owner, result.access_token),
            "access_expires_at": sa.func.now() + make_interval(max(0.0, result.expires_in - elapsed)),
            "scopes": list(result.scopes),
            "granted_at": sa.func.now(),
            "refreshed_at": sa.func.now(),
        }
        return _replace_grant(connection, mailbox_id, values, actor, GrantEventReason.CONSENT)

    def import_grant(
        self,
        connection: sa.Connection,
        mailbox_id: int,
        *,
        access_expires_at: datetime | None = None,
        actor: Actor,
        **grant: Any,
    ) -> None:
        """Store one grant that was obtained elsewhere, inside the caller's transaction.

        Args:
            grant: the further fields of ``ImportedGrant``.
        """
        imported = ImportedGrant(expires_at=access_expires_at, **grant)
        import_grants(connection, self.cipher, {mailbox_id: imported}, actor=actor)


def _lock_unchanged(connection: sa.Connection, grant: StoredGrant) -> bool:
    """Lock a grant and return whether it still has the version that was read."""
    is_same = (_G.mailbox_id == grant.mailbox_id, _G.version == grant.version)
    return connection.scalar(sa.select(_G.mailbox_id).where(*is_same).with_for_update(key_share=True)) is not None


def _replace_grant(
    connection: sa.Connection, mailbox_id: int, values: dict[str, Any], actor: Actor, reason: str
) -> str | None:
    """Replace a grant; return its former state."""
    before: str | None = connection.scalar(
        sa.select(_G.state).where(_G.mailbox_id == mailbox_id).with_for_update(key_share=True)
    )
    replaced = values | grant_updates.VALUES_OF_NEW_GRANT
    connection.execute(sa.update(_G).where(_G.mailbox_id == mailbox_id).values(replaced))
    alertable = grant_updates.is_alertable_transition(before, GrantState.ACTIVE)
    grant_updates.add_event(connection, mailbox_id, actor, before, GrantState.ACTIVE, reason, is_alertable=alertable)
    return before
