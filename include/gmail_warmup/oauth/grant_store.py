"""The rows of ``oauth_grant``: leases, and writes that compare the version.

Every write names the version it read. A refresh that was slow, a process that lost its lease or a verdict about a
token that was replaced meanwhile finds another version and changes nothing. Each method is one short transaction of
its own, because the caller sends an HTTP request between two of them and must hold none open.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.errors import UnknownMailboxError
from gmail_warmup.crypto.cipher import Cipher, build_secret_owner
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant
from gmail_warmup.oauth import grant_updates, mass_refusal
from gmail_warmup.oauth.grant import GRANT_COLUMNS, SELECT_GRANT, to_stored_grant
from gmail_warmup.oauth.grant import Actor as Actor
from gmail_warmup.oauth.grant import StoredGrant as StoredGrant
from gmail_warmup.oauth.grant_updates import GrantUpdate, RefreshedTokens
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import TokenResult

_G = OAuthGrant
_SELECT_BY_ADDRESS = SELECT_GRANT.where(Mailbox.address == sa.bindparam("address"))
_FREE_LEASES = (
    sa.select(_G.mailbox_id)
    .where(
        _G.mailbox_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))),
        sa.or_(_G.lease_until.is_(None), _G.lease_until <= sa.func.now()),
    )
    .order_by(_G.mailbox_id)
    .with_for_update(skip_locked=True)
    .cte("free")
)
_TAKE_LEASES = (
    sa.update(_G)
    .where(_G.mailbox_id.in_(sa.select(_FREE_LEASES.c.mailbox_id)), Mailbox.id == _G.mailbox_id)
    .values(
        lease_holder=sa.bindparam("holder"),
        lease_until=sa.func.now() + interval(sa.bindparam("seconds", type_=sa.Float)),
    )
    .returning(*GRANT_COLUMNS)
)


def take_leases(
    connection: sa.Connection, mailbox_ids: Sequence[int], *, holder: str, seconds: int
) -> list[StoredGrant]:
    """Take the leases that are free, and return those grants as they are now."""
    chosen = {"ids": list(mailbox_ids), "holder": holder, "seconds": seconds}
    return [to_stored_grant(row) for row in connection.execute(_TAKE_LEASES, chosen)]


class GrantReader:
    """One connection on which grants are read and leased; each call is one statement."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def read_grant(self, address: str) -> StoredGrant:
        """Return a mailbox's grant.

        Raises:
            UnknownMailboxError: if no mailbox has this address.
        """
        row = self._connection.execute(_SELECT_BY_ADDRESS, {"address": address}).one_or_none()
        if row is None:
            raise UnknownMailboxError(address)
        return to_stored_grant(row)

    def take_lease(self, grant: StoredGrant, *, holder: str, seconds: int) -> StoredGrant | None:
        """Take the lease if it is free, and return the grant as it is now."""
        taken = take_leases(self._connection, [grant.mailbox_id], holder=holder, seconds=seconds)
        return taken[0] if taken else None


class GrantStore:
    """Read and write grants."""

    def __init__(self, engine: sa.Engine, cipher: Cipher, *, suspect_delay: int = 900) -> None:
        self.engine = engine
        self.cipher = cipher
        self._probe_after = {
            GrantState.SUSPECT: suspect_delay,
            GrantState.BLOCKED_BY_ADMIN: 86_400,
            GrantState.DISABLED: 86_400,
        }

    def read_grant(self, address: str) -> StoredGrant:
        """Return a mailbox's grant, in one round trip.

        Raises:
            UnknownMailboxError: if no mailbox has this address.
        """
        with self.open_reader() as look:
            return look.read_grant(address)

    @contextmanager
    def open_reader(self) -> Iterator[GrantReader]:
        """Yield what reads and leases one grant on one connection, for who looks again and again."""
        with self._open_autocommit() as connection:
            yield GrantReader(connection)

    def read_grants(self, mailbox_ids: Sequence[int]) -> list[StoredGrant]:
        """Return the grants of these mailboxes."""
        query = SELECT_GRANT.where(_G.mailbox_id.in_(mailbox_ids)).order_by(_G.mailbox_id)
        with self._open_autocommit() as connection:
            return [to_stored_grant(row) for row in connection.execute(query)]

    def take_leases(self, mailbox_ids: Sequence[int], *, holder: str, seconds: int) -> list[StoredGrant]:
        """Take the leases that are free, and return those grants as they are now."""
        with self._open_autocommit() as connection:
            return take_leases(connection, mailbox_ids, holder=holder, seconds=seconds)

    def release_leases(self, mailbox_ids: Iterable[int], *, holder: str) -> None:
        """Give leases back, where this holder still has them."""
        statement = (
            sa.update(_G)
            .where(_G.mailbox_id.in_(list(mailbox_ids)), _G.lease_holder == holder)
            .values(lease_holder=None, lease_until=None)
        )
        with self._open_autocommit() as connection:
            connection.execute(statement)

    def extend_leases(self, mailbox_ids: Iterable[int], *, holder: str, seconds: int) -> None:
        """Hold leases for longer, where this holder still has them."""
        statement = (
            sa.update(_G)
            .where(_G.mailbox_id.in_(list(mailbox_ids)), _G.lease_holder == holder)
            .values(lease_until=sa.func.now() + interval(seconds))
        )
        with self._open_autocommit() as connection:
            connection.execute(statement)

    def record_tokens(
        self, grant: StoredGrant, verdict: TokenResult, *, elapsed: float, client_id: str, actor: Actor
    ) -> bool:
        """Write the tokens of a successful refresh; tell whether the grant was still the one that was refreshed.

        Args:
            elapsed: seconds since the request was sent; the token is that much older than its answer.
        """
        return bool(
            self.apply_updates(
                [self.build_success_update(grant, verdict, elapsed=elapsed, client_id=client_id)], actor=actor
            )
        )

    def record_refusal(self, grant: StoredGrant, reason: Reason, *, actor: Actor) -> GrantUpdate | None:
        """Write what a refusal says about a grant; return what was written, or None if the grant was replaced.

        A suspect that is refused again, ``suspect_delay`` seconds after the first time, needs a person. A verdict
        beyond the mass guard's limit makes the grant suspect only.
        """
        write = self.build_refusal_update(grant, reason)
        with self.engine.begin() as connection:
            if mass_refusal.counts_for_mass_refusal(grant, reason) and (
                incident := mass_refusal.open_incident_if_over_limit(connection, reason)
            ):
                write = self.downgrade_to_suspect(write, incident)
            written = grant_updates.apply_updates(connection, [write], actor=actor)
        return write if written else None

    def apply_updates(self, batch: Sequence[GrantUpdate], *, actor: Actor) -> set[int]:
        """Write a batch in one transaction; return the mailbox ids of the grants that were still the ones read."""
        with self.engine.begin() as connection:
            return grant_updates.apply_updates(connection, batch, actor=actor)

    def build_success_update(
        self, grant: StoredGrant, verdict: TokenResult, *, elapsed: float, client_id: str
    ) -> GrantUpdate:
        """Return what becomes of a grant that was refreshed."""
        expires_in = verdict.refresh_expires_in
        tokens = RefreshedTokens(
            access_token=self.cipher.encrypt(grant.secret_owner, verdict.access_token),
            access_seconds=verdict.expires_in - elapsed,
            refresh_token=self.cipher.encrypt(grant.secret_owner, verdict.refresh_token)
            if verdict.refresh_token
            else None,
            refresh_seconds=expires_in - elapsed if expires_in else None,
            scopes=verdict.scopes,
            client_id=client_id,
        )
        return GrantUpdate(grant=grant, state=GrantState.ACTIVE, tokens=tokens)

    def build_refusal_update(self, grant: StoredGrant, reason: Reason) -> GrantUpdate:
        """Return what becomes of a grant that was refused."""
        reason = mass_refusal.infer_expiry_cause(grant, reason)
        state = reason.state
        if state is None:
            raise ValueError(f"the reason {reason.code} says nothing about a grant")
        if grant.state is state is GrantState.SUSPECT:
            reason, state = self._decide_suspect(grant, reason)
        return GrantUpdate(
            grant=grant,
            state=state,
            reason=reason.code,
            probe_seconds=self._probe_after.get(state),
            drop_access=reason.category is not ResponseCategory.AMBIGUOUS,
            incident_id=grant.incident_id if grant.state is GrantState.SUSPECT else None,
        )

    def build_flag_update(self, grant: StoredGrant) -> GrantUpdate:
        """Return what becomes of a suspect whose verdict was held and now stands."""
        reason = REASONS[grant.reason or "grant_refused_twice"]
        assert reason.state
        return GrantUpdate(
            grant=grant,
            state=reason.state,
            reason=reason.code,
            probe_seconds=self._probe_after.get(reason.state),
            drop_access=True,
            incident_id=grant.incident_id,
        )

    def downgrade_to_suspect(self, write: GrantUpdate, incident_id: int | None) -> GrantUpdate:
        """Return the same verdict held: suspect until a second probe. A valid access token goes on being used."""
        return dataclasses.replace(
            write,
            state=GrantState.SUSPECT,
            probe_seconds=self._probe_after[GrantState.SUSPECT],
            drop_access=False,
            incident_id=incident_id,
        )

    def store_consent(
        self,
        connection: sa.Connection,
        mailbox_id: int,
        verdict: TokenResult,
        *,
        client_id: str,
        elapsed: float,
        actor: Actor,
    ) -> None:
        """Put a newly consented grant in place of whatever there was, inside the caller's transaction."""
        assert verdict.refresh_token
        owner = build_secret_owner(mailbox_id)
        expires = sa.func.now() + interval(verdict.refresh_expires_in - elapsed) if verdict.refresh_expires_in else None
        values = {
            "client_id": client_id,
            "refresh_token": self.cipher.encrypt(owner, verdict.refresh_token),
            "refresh_expires_at": expires,
            "access_token": self.cipher.encrypt(owner, verdict.access_token),
            "access_expires_at": sa.func.now() + interval(max(0.0, verdict.expires_in - elapsed)),
            "scopes": list(verdict.scopes),
            "granted_at": sa.func.now(),
            "refreshed_at": sa.func.now(),
        }
        self._replace_grant(connection, mailbox_id, values, actor, "consent")

    def import_grant(
        self,
        connection: sa.Connection,
        mailbox_id: int,
        *,
        refresh_token: str,
        access_token: str | None = None,
        access_expires_at: datetime | None = None,
        client_id: str | None = None,
        scopes: Sequence[str] = (),
        refresh_expires_at: datetime | None = None,
        granted_at: datetime | None = None,
        actor: Actor,
    ) -> None:
        """Take a grant over that was obtained elsewhere, inside the caller's transaction; the next audit probes it.

        An access token without an expiry is not kept: it would be taken as valid for ever.
        """
        owner = build_secret_owner(mailbox_id)
        keep = access_token if access_expires_at else None
        values = {
            "client_id": client_id,
            "refresh_token": self.cipher.encrypt(owner, refresh_token),
            "refresh_expires_at": refresh_expires_at,
            "access_token": self.cipher.encrypt(owner, keep) if keep else None,
            "access_expires_at": access_expires_at if keep else None,
            "scopes": list(scopes),
            "granted_at": granted_at,
            "refreshed_at": None,
        }
        self._replace_grant(connection, mailbox_id, values, actor, "imported")

    def _replace_grant(
        self, connection: sa.Connection, mailbox_id: int, values: dict[str, Any], actor: Actor, reason: str
    ) -> None:
        """Replace a grant; the version rises and the lease ends, so that nothing begun before can touch it."""
        before = connection.execute(
            sa.select(_G.state).where(_G.mailbox_id == mailbox_id).with_for_update()
        ).scalar_one()
        always = {
            "state": GrantState.ACTIVE,
            "reason": None,
            "state_since": sa.func.now(),
            "next_probe_at": None,
            "incident_id": None,
            "version": _G.version + 1,
            "lease_holder": None,
            "lease_until": None,
        }
        connection.execute(sa.update(_G).where(_G.mailbox_id == mailbox_id).values(values | always))
        alertable = grant_updates.is_alertable_transition(before, GrantState.ACTIVE)
        grant_updates.add_event(
            connection, mailbox_id, actor, before, GrantState.ACTIVE, reason, is_alertable=alertable
        )

    def _decide_suspect(self, grant: StoredGrant, reason: Reason) -> tuple[Reason, GrantState]:
        """Decide about a suspect that is refused again; before its second probe is due, nothing is decided."""
        first = REASONS[grant.reason or reason.code]
        if (grant.now - grant.state_since).total_seconds() < self._probe_after[GrantState.SUSPECT]:
            return first, GrantState.SUSPECT
        decided = first if first.flags_grant else REASONS["grant_refused_twice"]
        assert decided.state
        return decided, decided.state

    def _open_autocommit(self) -> AbstractContextManager[sa.Connection]:
        return connect_autocommit(self.engine)
