"""GmailHook: the one way to a Gmail mailbox from Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from airflow.sdk import BaseHook

from gmail_warmup.airflow.services import Services
from gmail_warmup.core.tracebacks import without_locals
from gmail_warmup.db.models import MailboxAuth
from gmail_warmup.gmail.client import GmailOperations
from gmail_warmup.gmail.errors import (
    AccessRejectedError,
    BlockedByPolicyError,
    GmailError,
    MailboxUnusableError,
    ScopeMissingError,
)
from gmail_warmup.gmail.service_account import Delegation
from gmail_warmup.gmail.service_account_tokens import DelegatedTokens
from gmail_warmup.gmail.transport import Transport
from gmail_warmup.oauth.access_tokens import AccessToken
from gmail_warmup.oauth.delegation_errors import reason_for
from gmail_warmup.oauth.grant_store import Actor, StoredGrant
from gmail_warmup.oauth.reasons import REASONS


class GmailHook(GmailOperations, BaseHook):
    """Reach one mailbox.

    The credentials that googleapiclient gets hold an access token and a way to ask for another, never the refresh
    token: a refresh goes through the lease of the grant's row, in whatever process it happens.

    Args:
        mailbox: its address.
        services: what is shared with the task that uses the hook; made from Airflow's Connections if left out.
    """

    conn_name_attr = "gmail_conn_id"
    default_conn_name = "gmail_oauth_client"
    conn_type = "gmail_oauth_client"
    hook_name = "Gmail OAuth client"

    def __init__(self, mailbox: str, *, services: Services | None = None) -> None:
        super().__init__()
        self.address = mailbox
        self._services = services or Services(Actor(name="hook"))
        self.token_header = self._services.settings.token_header

    def _credentials(self) -> Any:
        with without_locals():
            grant = self._services.store.read(self.address)
            return credentials_of(grant, self._tokens(grant))

    def _tokens(self, grant: StoredGrant) -> TokenSource:
        if grant.auth is not MailboxAuth.DELEGATED:
            return self._services.access_tokens
        services, settings = self._services, self._services.settings
        delegation = Delegation(
            settings.google_conn_id, connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout
        )
        return DelegatedTokens(
            services.store, delegation, actor=services.actor, lease=settings.refresh_lease, meter=services.meter
        )

    def _transport(self) -> Transport:
        settings = self._services.settings
        return Transport(
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            endpoint=self._services.known_client.api_endpoint,
        )

    def _execute(self, request: Any) -> Any:
        try:
            with without_locals():
                return super()._execute(request)
        except GmailError as error:
            code = _REASON_OF.get(type(error))
            if code:
                store = self._services.store
                grant = store.read(self.address)
                store.record_reason(grant, reason_for(grant, REASONS[code]), actor=self._services.actor)
            raise


_REASON_OF: dict[type[GmailError], str] = {
    AccessRejectedError: "token_rejected",
    ScopeMissingError: "scope_missing",
    BlockedByPolicyError: "blocked_by_admin",
    MailboxUnusableError: "gmail_disabled",
}
"""What an answer of Gmail, rather than of the token endpoint, says about a grant."""


class TokenSource(Protocol):
    """Where the access tokens of a mailbox come from, see ``AccessTokens`` and ``DelegatedTokens``."""

    def get(self, address: str, *, rejected: str | None = None, known: StoredGrant | None = None) -> AccessToken:
        """Return a valid access token, never the rejected one."""


def credentials_of(grant: StoredGrant, tokens: TokenSource) -> Any:
    """Return google-auth credentials of a mailbox, with access token, expiry and a ``refresh_handler``."""
    from google.auth.credentials import TokenState
    from google.oauth2.credentials import Credentials

    def refresh(request: Any, scopes: Any) -> tuple[str, datetime]:
        # Called before the expiry and after a 401. A token that was fresh and is refreshed all the same was rejected.
        rejected = credentials.token if credentials.token_state is TokenState.FRESH else None
        token = tokens.get(grant.address, rejected=rejected)
        return token.token, _naive_expiry(token.seconds)

    first = tokens.get(grant.address, known=grant)
    credentials = Credentials(token=first.token, expiry=_naive_expiry(first.seconds), refresh_handler=refresh)
    return credentials


def _naive_expiry(seconds: float) -> datetime:
    """Return an expiry as google-auth wants it: naive UTC, by this machine's clock, more than 225 s ahead.

    A token with less time left is only handed out while refreshing fails; without this floor google-auth would
    refuse to use it although Gmail would take it.
    """
    return (datetime.now(UTC) + timedelta(seconds=max(seconds, 240))).replace(tzinfo=None)
