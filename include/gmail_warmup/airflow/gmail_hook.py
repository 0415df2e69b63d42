"""GmailHook: access to a Gmail mailbox from Airflow."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from airflow.sdk import BaseHook

from gmail_warmup.airflow.services import Services
from gmail_warmup.core.enums import RefusingParty
from gmail_warmup.core.log_context import log_event
from gmail_warmup.core.tracebacks import clear_locals_on_error
from gmail_warmup.db.engine import autocommit
from gmail_warmup.db.models import MailboxAuth
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.gmail.errors import GmailError
from gmail_warmup.gmail.transport import Transport
from gmail_warmup.gmail.workspace.service_account_tokens import ServiceAccountTokens
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.addresses import to_stored_address
from gmail_warmup.oauth.access_tokens import AccessToken
from gmail_warmup.oauth.grant import Actor, StoredGrant
from gmail_warmup.oauth.reasons import Reason
from gmail_warmup.oauth.refusal_policy import adjust_delegated_reason

log = logging.getLogger(__name__)


class GmailHook(GmailClient, BaseHook):
    """Access one mailbox.

    The credentials for googleapiclient contain an access token and a ``refresh_handler``, never the refresh token: each
    refresh needs the lease of the grant's row, in every process.

    Args:
        mailbox: the address, in any spelling.
        services: the services of the calling task; by default they are created from Airflow's Connections.
    """

    def __init__(self, mailbox: str, *, services: Services | None = None) -> None:
        super().__init__()
        self.address = to_stored_address(mailbox) or mailbox
        self._services = services or Services(Actor(name="hook"))
        self.token_header = self._services.settings.token_header
        self._used_version: int | None = None
        """Version of the grant whose access token the last request used."""
        self._is_suspected = False
        """Whether Gmail refused this mailbox once, so that the answer to the next call decides."""

    def _load_credentials(self) -> Any:
        with clear_locals_on_error():
            grant = self._services.grant_store.read_grant(self.address)
            self._is_suspected = grant.is_suspected_by_gmail
            return build_credentials(grant, self._get_token_source(grant), on_token=self._record_used_token)

    def _record_used_token(self, token: AccessToken) -> None:
        self._used_version = token.grant_version

    def _get_token_source(self, grant: StoredGrant) -> TokenSource:
        if grant.auth is not MailboxAuth.DELEGATED:
            return self._services.access_tokens
        services, settings = self._services, self._services.settings
        return ServiceAccountTokens(
            services.grant_store,
            services.build_service_account(),
            actor=services.actor,
            lease=settings.refresh_lease,
            meter=services.meter,
        )

    def _create_transport(self) -> Transport:
        settings = self._services.settings
        return Transport(
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            endpoint=settings.gmail_api_endpoint or None,
        )

    def _execute_request(self, request: Any) -> Any:
        try:
            with clear_locals_on_error():
                response = super()._execute_request(request)
        except GmailError as error:
            self._record_error(error)
            raise
        if self._is_suspected:
            self._record_success()
        return response

    def _record_error(self, error: GmailError) -> None:
        """Store what an error says about the grant, and until when Gmail wants no calls to this mailbox."""
        if error.meaning.state is not None:
            self._record_refusal(error.meaning)
        if error.concerns_mailbox_rate and error.retry_after:
            with autocommit(self._services.engine) as connection:
                repository.store_gmail_retry_time(connection, self.address, seconds=error.retry_after)

    def _record_refusal(self, reason: Reason) -> None:
        """Record that Gmail refused the token of the last request, unless its grant was replaced in the meantime."""
        store = self._services.grant_store
        grant = store.read_grant(self.address)
        if grant.version != self._used_version:
            text = "Gmail refused a former access token of %s [%s]; its grant has changed since, so nothing is recorded"
            log_event(log, logging.INFO, text, self.address, reason.code, mailbox=self.address, reason_code=reason.code)
            return
        reason = adjust_delegated_reason(grant, reason, RefusingParty.GMAIL)
        if store.record_refusal(grant, reason, actor=self._services.actor, party=RefusingParty.GMAIL):
            self._used_version = grant.version + 1  # the write raised it; the token is still the same
            self._is_suspected = True

    def _record_success(self) -> None:
        """Record that Gmail answers a mailbox again that it had refused once."""
        store = self._services.grant_store
        grant = store.read_grant(self.address)
        if grant.version == self._used_version and store.record_gmail_success(grant, actor=self._services.actor):
            self._used_version = grant.version + 1
        self._is_suspected = False


class TokenSource(Protocol):
    """Source of the access tokens of a mailbox, see ``AccessTokens`` and ``ServiceAccountTokens``."""

    def get_token(self, address: str, *, rejected: str | None = None, known: StoredGrant | None = None) -> AccessToken:
        """Return a valid access token other than the rejected one."""


def build_credentials(
    grant: StoredGrant, tokens: TokenSource, *, on_token: Callable[[AccessToken], None] = lambda _: None
) -> Any:
    """Return google-auth credentials of a mailbox with access token, expiry and ``refresh_handler``.

    Args:
        on_token: called with each token that the credentials use from then on.
    """
    from google.auth.credentials import TokenState
    from google.oauth2.credentials import Credentials

    def refresh_access_token(request: Any, scopes: Any) -> tuple[str, datetime]:
        # Called before the expiry and after a 401. If the token is still fresh, Gmail has rejected it.
        rejected = credentials.token if credentials.token_state is TokenState.FRESH else None
        token = tokens.get_token(grant.address, rejected=rejected)
        on_token(token)
        return token.token, _to_naive_expiry(token.seconds)

    first = tokens.get_token(grant.address, known=grant)
    on_token(first)
    credentials = Credentials(
        token=first.token, expiry=_to_naive_expiry(first.seconds), refresh_handler=refresh_access_token
    )
    return credentials


def _to_naive_expiry(seconds: float) -> datetime:
    """Return an expiry in the form of google-auth: naive UTC by this machine's clock, more than 225 s ahead.

    A token with less time left is only returned while refreshing fails. Without this minimum google-auth would refuse
    to use it, although Gmail accepts it.
    """
    return (datetime.now(UTC) + timedelta(seconds=max(seconds, 240))).replace(tzinfo=None)
