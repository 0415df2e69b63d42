"""The stored grant of one mailbox as a record, and the queries that read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa

from gmail_warmup.core.enums import RefusingParty
from gmail_warmup.core.errors import UnknownMailboxError
from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.db.bounded_times import is_out_of_range
from gmail_warmup.db.models import ClientRegistration, GrantState, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.mailboxes import lookup


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The user, task or command that changes a grant; recorded in the history."""

    name: str
    dag_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredGrant:
    """One grant as it was read at the database time ``now``. Tokens are ciphertexts."""

    mailbox_id: int
    address: str
    auth: MailboxAuth
    client_id: str | None
    client_conn_id: str | None
    """The Connection of the client that issued the grant; None for the default client, or an unknown one."""
    refresh_token: str | None = field(repr=False)
    refresh_expires_at: datetime | None
    access_token: str | None = field(repr=False)
    access_expires_at: datetime | None
    state: GrantState
    reason: str | None
    refused_by: RefusingParty | None
    state_since: datetime
    next_probe_at: datetime | None
    granted_at: datetime | None
    refreshed_at: datetime | None
    version: int
    incident_id: int | None
    lease_holder: str | None
    lease_until: datetime | None
    now: datetime

    @property
    def access_seconds(self) -> float:
        """Return the remaining seconds of the stored access token; negative if there is no valid one."""
        if self.access_token is None or self.access_expires_at is None:
            return -1.0
        return (self.access_expires_at - self.now).total_seconds()

    @property
    def awaits_probe(self) -> bool:
        """Return whether this is a suspect whose second probe is not due yet."""
        return self.state is GrantState.SUSPECT and self.next_probe_at is not None and self.next_probe_at > self.now

    @property
    def probe_seconds(self) -> float | None:
        """Return the seconds until the next probe, at least 0; None if none is planned."""
        return None if self.next_probe_at is None else max(0.0, (self.next_probe_at - self.now).total_seconds())

    @property
    def is_suspected_by_gmail(self) -> bool:
        """Return whether Gmail refused a call once, so that the next call of Gmail decides."""
        return self.state is GrantState.SUSPECT and self.refused_by is RefusingParty.GMAIL

    @property
    def is_healthy(self) -> bool:
        """Return whether the grant is active and Google has issued an access token for it before."""
        return self.state is GrantState.ACTIVE and self.refreshed_at is not None

    @property
    def is_leased(self) -> bool:
        """Return whether a process is refreshing this grant."""
        return self.lease_until is not None and self.lease_until > self.now

    @property
    def secret_owner(self) -> str:
        """Return the owner that is bound into this row's ciphertexts."""
        return build_secret_owner(self.mailbox_id)


_EnumT = TypeVar("_EnumT", bound=StrEnum)
_NULLABLE_TIMES = (
    "refresh_expires_at", "access_expires_at", "next_probe_at", "granted_at", "refreshed_at", "lease_until",
)  # fmt: skip

_G = OAuthGrant
CLIENT_CONN_ID = (
    sa.select(ClientRegistration.conn_id)
    .where(ClientRegistration.client_id == _G.client_id)
    .correlate(_G)
    .scalar_subquery()
)
"""The Connection of the client of a grant, as a column of a query of grants."""
GRANT_COLUMNS: tuple[Any, ...] = (
    _G.mailbox_id, Mailbox.address, Mailbox.auth, _G.client_id, CLIENT_CONN_ID.label("client_conn_id"),
    _G.refresh_token, _G.refresh_expires_at,
    _G.access_token, _G.access_expires_at, _G.state, _G.reason, _G.refused_by, _G.state_since, _G.next_probe_at,
    _G.granted_at, _G.refreshed_at, _G.version, _G.incident_id, _G.lease_holder, _G.lease_until,
    sa.func.now().label("now"),
)  # fmt: skip
"""The columns of a StoredGrant."""

SELECT_GRANT: sa.Select[Any] = sa.select(*GRANT_COLUMNS).join(Mailbox, Mailbox.id == _G.mailbox_id)
"""Select all stored grants."""

_SELECT_BY_ADDRESS = lookup.select_by_address(SELECT_GRANT)


def to_stored_grant(row: Any) -> StoredGrant:
    """Convert a row of GRANT_COLUMNS to a record.

    A row with a value that breaks a rule has a record as well: an unknown state counts as one that needs a person, and
    a time out of range as unknown. The record of the mailbox names such values.
    """
    values = dict(row._mapping)
    values["state"] = _find_member(GrantState, row.state) or GrantState.NEEDS_REAUTH
    values["auth"] = _find_member(MailboxAuth, row.auth) or MailboxAuth.GRANT
    values["refused_by"] = _find_member(RefusingParty, row.refused_by) if row.refused_by else None
    for name in _NULLABLE_TIMES:
        values[name] = None if is_out_of_range(values[name]) else values[name]
    return StoredGrant(**values)


def _find_member(kind: type[_EnumT], value: str) -> _EnumT | None:
    try:
        return kind(value)
    except ValueError:
        return None


def get_grant(connection: sa.Connection, address: str) -> StoredGrant:
    """Return the grant of a mailbox.

    Raises:
        UnknownMailboxError: if no mailbox has this address.
    """
    row = connection.execute(_SELECT_BY_ADDRESS, lookup.build_lookup(address)).one_or_none()
    if row is None:
        raise UnknownMailboxError(address)
    return to_stored_grant(row)


def get_grants(connection: sa.Connection, mailbox_ids: Sequence[int]) -> list[StoredGrant]:
    """Return the grants of these mailboxes, ordered by mailbox id."""
    query = SELECT_GRANT.where(_G.mailbox_id.in_(mailbox_ids)).order_by(_G.mailbox_id)
    return [to_stored_grant(row) for row in connection.execute(query)]
