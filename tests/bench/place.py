"""Where things are, as one record that any process can open."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.fernet import Fernet, MultiFernet

from gmail_sandbox.client import SandboxClient
from gmail_warmup.core.settings import Settings
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db.engine import make_engine
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import OAuthClient
from support.world import CLIENT_ID, CLIENT_SECRET, World


@dataclass(frozen=True, kw_only=True)
class Place:
    """A database, Google's stand-in and the key."""

    database_url: str = field(repr=False)
    sandbox_url: str
    fernet_key: str = field(repr=False)

    def open(self, *, actor: str, pooled: bool = False, sandbox: SandboxClient | None = None) -> World:
        """Return the world there, with the product's default settings and an engine as a task has one.

        Args:
            actor: who changes grants.
            pooled: keep database connections.
            sandbox: a client of Google's stand-in to use again, for making one costs as much as a job.
        """
        engine = make_engine(self.database_url, pooled=pooled)
        sandbox = sandbox or SandboxClient(self.sandbox_url, timeout=120)
        client = OAuthClient(
            client_id=CLIENT_ID,
            secrets=(CLIENT_SECRET,),
            auth_uri=sandbox.auth_uri,
            token_uri=sandbox.token_uri,
            api_endpoint=sandbox.base_url,
        )
        settings = Settings()
        cipher = Cipher(MultiFernet([Fernet(self.fernet_key)]))
        store = GrantStore(engine, cipher, suspect_delay=settings.suspect_delay)
        return World(store=store, sandbox=sandbox, client=client, actor=Actor(name=actor), settings=settings)
