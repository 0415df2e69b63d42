"""The rows of ``oauth_grant``: leases, and writes that compare the version.

Every write names the version it read. A refresh that was slow, a process that lost its lease or a verdict about a
token that was replaced meanwhile finds another version and changes nothing. Each method is one short transaction of
its own, because the caller sends an HTTP request between two of them and must hold none open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.db.intervals import seconds as interval
from gmail_warmup.db.models import GrantEvent, GrantState, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.errors import UnknownMailboxError
from gmail_warmup.grants.cipher import Cipher
from gmail_warmup.grants.endpoint import Verdict
from gmail_warmup.grants.reasons import REASONS, AnswerClass, Reason


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who changes a grant: a user of Airflow, a task or a command."""

    name: str
    dag_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredGrant:
    """One grant as it was read, at the database's time ``now``. Tokens are ciphertexts."""

    mailbox_id: int
    address: str
    auth: MailboxAuth
    client_id: str | None
    refresh_token: str | None = field(repr=False)
    refresh_expires_at: datetime | None
    access_token: str | None = field(repr=False)
    access_expires_at: datetime | None
    state: GrantState
    reason: str | None
    since: datetime
    next_probe_at: datetime | None
    refreshed_at: datetime | None
    version: int
    lease_holder: str | None
    lease_until: datetime | None
    now: datetime

    @property
    def access_seconds(self) -> float:
        """Return for how many seconds the stored access token is valid; negative when it is not."""
        if self.access_token is None or self.access_expires_at is None:
            return -1.0
        return (self.access_expires_at - self.now).total_seconds()

    @property
    def awaits_probe(self) -> bool:
        """Tell whether this is a suspect whose second probe is not due yet."""
        return self.state is GrantState.SUSPECT and self.next_probe_at is not None and self.next_probe_at > self.now

    @property
    def leased(self) -> bool:
        """Tell whether somebody is refreshing this grant."""
        return self.lease_until is not None and self.lease_until > self.now

    @property
    def owner(self) -> str:
        """Return the name that is bound into this row's ciphertexts."""
        return owner_of(self.mailbox_id)


def owner_of(mailbox_id: int) -> str:
    """Return the name that is bound into the ciphertexts of a mailbox."""
    return f"mailbox:{mailbox_id}"


_G = OAuthGrant
_COLUMNS = (
    _G.mailbox_id, Mailbox.address, Mailbox.auth, _G.client_id, _G.refresh_token, _G.refresh_expires_at,
    _G.access_token, _G.access_expires_at, _G.state, _G.reason, _G.since, _G.next_probe_at, _G.refreshed_at,
    _G.version,
    _G.lease_holder, _G.lease_until, sa.func.now().label("now"),
)  # fmt: skip


def _stored(row: Any) -> StoredGrant:
    values = dict(row._mapping)
    values["state"], values["auth"] = GrantState(row.state), MailboxAuth(row.auth)
    return StoredGrant(**values)


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

    def read(self, address: str) -> StoredGrant:
        """Return a mailbox's grant, in one round trip.

        Raises:
            UnknownMailboxError: if no mailbox has this address.
        """
        query = sa.select(*_COLUMNS).join(Mailbox, Mailbox.id == _G.mailbox_id).where(Mailbox.address == address)
        with self._autocommit() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise UnknownMailboxError(address)
        return _stored(row)

    def read_many(self, mailbox_ids: Sequence[int]) -> list[StoredGrant]:
        """Return the grants of these mailboxes."""
        query = sa.select(*_COLUMNS).join(Mailbox, Mailbox.id == _G.mailbox_id).where(_G.mailbox_id.in_(mailbox_ids))
        with self._autocommit() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def take_leases(self, mailbox_ids: Sequence[int], *, holder: str, seconds: int) -> list[StoredGrant]:
        """Take the leases that are free, and return those grants as they are now."""
        free = (
            sa.select(_G.mailbox_id)
            .where(_G.mailbox_id.in_(mailbox_ids), sa.or_(_G.lease_until.is_(None), _G.lease_until <= sa.func.now()))
            .order_by(_G.mailbox_id)
            .with_for_update(skip_locked=True)
            .cte("free")
        )
        statement = (
            sa.update(_G)
            .where(_G.mailbox_id.in_(sa.select(free.c.mailbox_id)), Mailbox.id == _G.mailbox_id)
            .values(lease_holder=holder, lease_until=sa.func.now() + interval(seconds))
            .returning(*_COLUMNS)
        )
        with self._autocommit() as connection:
            return [_stored(row) for row in connection.execute(statement)]

    def release(self, mailbox_ids: Iterable[int], *, holder: str) -> None:
        """Give leases back, where this holder still has them."""
        statement = (
            sa.update(_G)
            .where(_G.mailbox_id.in_(list(mailbox_ids)), _G.lease_holder == holder)
            .values(lease_holder=None, lease_until=None)
        )
        with self._autocommit() as connection:
            connection.execute(statement)

    def record_tokens(
        self, grant: StoredGrant, verdict: Verdict, *, elapsed: float, client_id: str, actor: Actor
    ) -> bool:
        """Write the tokens of a successful refresh; tell whether the grant was still the one that was refreshed.

        Args:
            elapsed: seconds since the request was sent; the token is that much older than its answer.
        """
        values: dict[str, Any] = {
            "access_token": self.cipher.encrypt(grant.owner, verdict.access_token),
            "access_expires_at": sa.func.now() + interval(max(0.0, verdict.expires_in - elapsed)),
            "refreshed_at": sa.func.now(),
            "client_id": client_id,
        }
        if verdict.refresh_token:
            values["refresh_token"] = self.cipher.encrypt(grant.owner, verdict.refresh_token)
        if verdict.refresh_expires_in:
            values["refresh_expires_at"] = sa.func.now() + interval(verdict.refresh_expires_in - elapsed)
        if verdict.scopes:
            values["scopes"] = list(verdict.scopes)
        return self._write(grant, GrantState.ACTIVE, None, values, actor)

    def record_reason(self, grant: StoredGrant, reason: Reason, *, actor: Actor) -> Reason | None:
        """Write what a refusal says about a grant; return the reason written, or None if the grant was replaced.

        A suspect that is refused again, ``suspect_delay`` seconds after the first time, needs a person.
        """
        if reason.state is GrantState.SUSPECT and grant.state is GrantState.SUSPECT:
            reason = REASONS["grant_refused_twice" if self._second_probe(grant) else grant.reason or reason.code]
        state = reason.state
        if state is None:
            raise ValueError(f"the reason {reason.code} says nothing about a grant")
        values: dict[str, Any] = {}
        if reason.answer is not AnswerClass.AMBIGUOUS:
            values = {"access_token": None, "access_expires_at": None}
        return reason if self._write(grant, state, reason.code, values, actor) else None

    def replace(
        self,
        connection: sa.Connection,
        mailbox_id: int,
        verdict: Verdict,
        *,
        client_id: str,
        elapsed: float,
        actor: Actor,
    ) -> None:
        """Put a newly consented grant in place of whatever there was, inside the caller's transaction."""
        assert verdict.refresh_token
        owner = owner_of(mailbox_id)
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
        self._put(connection, mailbox_id, values, actor, "consent")

    def adopt(
        self,
        connection: sa.Connection,
        mailbox_id: int,
        *,
        refresh_token: str,
        access_token: str | None = None,
        access_expires_at: datetime | None = None,
        client_id: str | None = None,
        scopes: Sequence[str] = (),
        actor: Actor,
    ) -> None:
        """Take a grant over that was obtained elsewhere, inside the caller's transaction; the next audit probes it.

        An access token without an expiry is not kept: it would be taken as valid for ever.
        """
        owner = owner_of(mailbox_id)
        keep = access_token if access_expires_at else None
        values = {
            "client_id": client_id,
            "refresh_token": self.cipher.encrypt(owner, refresh_token),
            "refresh_expires_at": None,
            "access_token": self.cipher.encrypt(owner, keep) if keep else None,
            "access_expires_at": access_expires_at if keep else None,
            "scopes": list(scopes),
            "granted_at": None,
            "refreshed_at": None,
        }
        self._put(connection, mailbox_id, values, actor, "imported")

    def _put(
        self, connection: sa.Connection, mailbox_id: int, values: dict[str, Any], actor: Actor, reason: str
    ) -> None:
        """Replace a grant; the version rises and the lease ends, so that nothing begun before can touch it."""
        before = connection.execute(
            sa.select(_G.state).where(_G.mailbox_id == mailbox_id).with_for_update()
        ).scalar_one()
        always = {
            "state": GrantState.ACTIVE,
            "reason": None,
            "since": sa.func.now(),
            "next_probe_at": None,
            "version": _G.version + 1,
            "lease_holder": None,
            "lease_until": None,
        }
        connection.execute(sa.update(_G).where(_G.mailbox_id == mailbox_id).values(values | always))
        _add_event(connection, mailbox_id, actor, before, GrantState.ACTIVE, reason)

    def _second_probe(self, grant: StoredGrant) -> bool:
        return (grant.now - grant.since).total_seconds() >= self._probe_after[GrantState.SUSPECT]

    def _write(
        self, grant: StoredGrant, state: GrantState, reason: str | None, values: dict[str, Any], actor: Actor
    ) -> bool:
        moved = state is not grant.state or reason != grant.reason
        probe = self._probe_after.get(state)
        values = values | {
            "state": state,
            "reason": reason,
            "next_probe_at": sa.func.now() + interval(probe) if probe is not None else None,
            "version": _G.version + 1,
            "lease_holder": None,
            "lease_until": None,
        }
        if moved:
            values["since"] = sa.func.now()
        statement = sa.update(_G).where(_G.mailbox_id == grant.mailbox_id, _G.version == grant.version).values(values)
        with self.engine.begin() as connection:
            if connection.execute(statement).rowcount != 1:
                return False
            if moved:
                _add_event(connection, grant.mailbox_id, actor, grant.state, state, reason)
        return True

    def _autocommit(self) -> sa.Connection:
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _add_event(
    connection: sa.Connection, mailbox_id: int, actor: Actor, before: str | None, after: str, reason: str | None
) -> None:
    connection.execute(
        sa.insert(GrantEvent).values(
            mailbox_id=mailbox_id, actor=actor.name, from_state=before, to_state=after, reason=reason,
            dag_id=actor.dag_id, run_id=actor.run_id,
        )
    )  # fmt: skip
