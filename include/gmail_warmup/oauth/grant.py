"""One grant as it stands in the database, and who changes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.crypto.cipher import build_secret_owner
from gmail_warmup.db.models import GrantState, Mailbox, MailboxAuth, OAuthGrant


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
        """Return for how many seconds the stored access token is valid; negative when it is not."""
        if self.access_token is None or self.access_expires_at is None:
            return -1.0
        return (self.access_expires_at - self.now).total_seconds()

    @property
    def awaits_probe(self) -> bool:
        """Tell whether this is a suspect whose second probe is not due yet."""
        return self.state is GrantState.SUSPECT and self.next_probe_at is not None and self.next_probe_at > self.now

    @property
    def is_healthy(self) -> bool:
        """Tell whether this grant is known to work: Google has issued a token for it, and nothing spoke against it."""
        return self.state is GrantState.ACTIVE and self.refreshed_at is not None

    @property
    def is_leased(self) -> bool:
        """Tell whether somebody is refreshing this grant."""
        return self.lease_until is not None and self.lease_until > self.now

    @property
    def secret_owner(self) -> str:
        """Return the name that is bound into this row's ciphertexts."""
        return build_secret_owner(self.mailbox_id)


_G = OAuthGrant
GRANT_COLUMNS = (
    _G.mailbox_id, Mailbox.address, Mailbox.auth, _G.client_id, _G.refresh_token, _G.refresh_expires_at,
    _G.access_token, _G.access_expires_at, _G.state, _G.reason, _G.state_since, _G.next_probe_at, _G.granted_at,
    _G.refreshed_at, _G.version, _G.incident_id, _G.lease_holder, _G.lease_until, sa.func.now().label("now"),
)  # fmt: skip
"""What a StoredGrant is made from."""

SELECT_GRANT = sa.select(*GRANT_COLUMNS).join(Mailbox, Mailbox.id == _G.mailbox_id)
"""Every stored grant."""


def to_stored_grant(row: Any) -> StoredGrant:
    """Turn a row of COLUMNS into a record."""
    values = dict(row._mapping)
    values["state"], values["auth"] = GrantState(row.state), MailboxAuth(row.auth)
    return StoredGrant(**values)
