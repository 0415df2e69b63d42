"""What the removal of a mailbox uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from gmail_warmup.core.settings import Settings
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import TokenEndpoint


@dataclass(frozen=True, kw_only=True)
class RemovalTools:
    """Database, settings, and the ways to Google.

    Attributes:
        open_gmail: returns a client for the mailbox with an address.
        open_endpoint: returns the token endpoint for the Connection of a client; it may raise ConfigurationError.
    """

    store: GrantStore
    settings: Settings
    open_gmail: Callable[[str], GmailClient]
    open_endpoint: Callable[[str | None], TokenEndpoint]

    @property
    def engine(self) -> sa.Engine:
        """Return the engine."""
        return self.store.engine
