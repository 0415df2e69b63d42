"""Mailboxes with grants for tests, in the database and at the stand-in for Google."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet

from gmail_sandbox.client import SandboxClient
from gmail_warmup.core.settings import Settings
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord, MailboxSettings
from gmail_warmup.oauth.access_tokens import AccessTokens
from gmail_warmup.oauth.grant import Actor, StoredGrant
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import SCOPE, OAuthClient, TokenEndpoint

CLIENT_ID = "client-1.apps.example.com"
CLIENT_SECRET = "GOCSPX-test-secret-1"
FERNET_KEY = Fernet.generate_key().decode()


@dataclass
class World:
    """Creates mailboxes and grants, and reads the results."""

    store: GrantStore
    sandbox: SandboxClient
    client: OAuthClient
    actor: Actor
    settings: Settings = field(default_factory=lambda: Settings(audit_rate=1000))

    def add(
        self, address: str, *, kind: str = "pool", expired: bool = True, client_id: str = CLIENT_ID, **settings: Any
    ) -> int:
        """Add a mailbox with a grant on both sides; by default its access token is expired."""
        self.sandbox.put_mailbox(address)
        grant = self.sandbox.grant(address, client_id, scopes=[SCOPE], access_expired=expired)
        with self.store.engine.begin() as connection:
            chosen = MailboxSettings(kind=kind, **settings)
            mailbox_id = repository.add_or_update(connection, address, chosen, actor="test")
            self.store.import_grant(
                connection,
                mailbox_id,
                refresh_token=grant.refresh_token,
                access_token=grant.access_token,
                access_expires_at=datetime.now(UTC) + timedelta(seconds=-1 if expired else 3599),
                client_id=client_id,
                scopes=[SCOPE],
                actor=self.actor,
            )
        return mailbox_id

    def reauthenticate(self, address: str, **grant: Any) -> str:
        """Replace the stored grant, as a consent does; return the new refresh token."""
        made = self.sandbox.grant(address, CLIENT_ID, scopes=[SCOPE], **grant)
        verdict = TokenEndpoint(self.client).refresh_access_token(made.refresh_token)
        with self.store.engine.begin() as connection:
            self.store.store_consent(
                connection,
                self.grant(address).mailbox_id,
                dataclasses.replace(verdict, refresh_token=made.refresh_token),
                client_id=CLIENT_ID,
                elapsed=0.0,
                actor=self.actor,
            )
        return made.refresh_token

    def tokens(self, *, read_timeout: float = 60, **options: Any) -> AccessTokens:
        """Return a source of access tokens, as tasks use it."""
        endpoint = TokenEndpoint(self.client, connect_timeout=60, read_timeout=read_timeout)
        return AccessTokens(self.store, lambda _: endpoint, actor=self.actor, **options)

    def grant(self, address: str) -> StoredGrant:
        """Return the stored grant."""
        return self.store.read_grant(address)

    def mailbox(self, address: str) -> MailboxRecord:
        """Return the mailbox."""
        with self.store.engine.begin() as connection:
            return repository.get_mailbox(connection, address)

    def events(self, address: str) -> list[tuple[str | None, str, str | None]]:
        """Return the history of a grant: from state, to state, reason."""
        query = sa.text(
            "SELECT from_state, to_state, reason FROM gmail_warmup.grant_event e "
            "JOIN gmail_warmup.mailbox m ON m.id = e.mailbox_id WHERE address = :address ORDER BY e.id"
        )
        with self.store.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(query, {"address": address})]

    def sql(self, statement: str, **values: Any) -> None:
        """Change the database without the product's code."""
        with self.store.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Read the database without the product's code."""
        with self.store.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]

    def token_requests(self, address: str | None = None) -> int:
        """Return the number of token requests that Google received."""
        return len(self.sandbox.token_requests(address=address))
