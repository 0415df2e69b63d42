"""Wire the objects that tasks, the page and commands use from Airflow's Connections and configuration."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from gmail_warmup.airflow.configuration import load_settings
from gmail_warmup.airflow.connections import (
    load_database_url,
    load_google_credentials,
    load_oauth_client,
    load_text_generator,
)
from gmail_warmup.airflow.encryption import load_cipher
from gmail_warmup.airflow.stats_meter import create_meter
from gmail_warmup.core.errors import ConfigurationError, DatabaseNotReadyError, InvalidInputError
from gmail_warmup.core.metrics import Meter
from gmail_warmup.core.settings import Settings
from gmail_warmup.crypto import key_check
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.engine import autocommit, make_engine
from gmail_warmup.gmail.workspace.directory import DIRECTORY_ENDPOINT, MEMBER_SCOPE, USER_SCOPE, Directory
from gmail_warmup.gmail.workspace.service_account import ServiceAccount
from gmail_warmup.oauth.access_tokens import AccessTokens
from gmail_warmup.oauth.answers import Party
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import SCOPE, OAuthClient, TokenEndpoint

if TYPE_CHECKING:
    from gmail_warmup.warmup.content.generators import MailWriter
    from gmail_warmup.warmup.removal.tools import RemovalTools

log = logging.getLogger(__name__)


class Services:
    """Everything that a task, the page or a command needs; each object is made on first access.

    Args:
        actor: the author of changes, for the history of the grants.
        pooled: whether to keep a pool of database connections, for a long-running process.
    """

    make_task_engine: ClassVar[Callable[[sa.URL], sa.Engine]] = staticmethod(make_engine)
    """Makes the engine of a process with one connection. The preload replaces it."""

    def __init__(self, actor: Actor, *, pooled: bool = False) -> None:
        self.actor = actor
        self._pooled = pooled
        self._other_clients: dict[str, OAuthClient] = {}

    @functools.cached_property
    def settings(self) -> Settings:
        """Return the settings."""
        return load_settings()

    @functools.cached_property
    def meter(self) -> Meter:
        """Return the meter, which sends nothing unless Airflow's metrics are switched on."""
        return create_meter()

    @functools.cached_property
    def engine(self) -> sa.Engine:
        """Return the engine with the restricted role."""
        url = load_database_url(self.settings.db_conn_id, "the database, with the restricted role")
        return make_engine(url, pooled=True) if self._pooled else Services.make_task_engine(url)

    @functools.cached_property
    def oauth_client(self) -> OAuthClient:
        """Return the default OAuth client."""
        return load_oauth_client(self.settings)

    def get_client(self, conn_id: str | None = None) -> OAuthClient:
        """Return the OAuth client of a Connection, by default the default one; a Connection is read once."""
        if conn_id is None or conn_id == self.settings.client_conn_id:
            return self.oauth_client
        if conn_id not in self._other_clients:
            self._other_clients[conn_id] = load_oauth_client(self.settings, conn_id)
        return self._other_clients[conn_id]

    @functools.cached_property
    def grant_store(self) -> GrantStore:
        """Return the store of grants."""
        return GrantStore(self.engine, load_cipher(), suspect_delay=self.settings.suspect_delay)

    def open_endpoint(self, conn_id: str | None = None) -> TokenEndpoint:
        """Return the token endpoint of an OAuth client, by default of the default one."""
        settings = self.settings
        return TokenEndpoint(
            self.get_client(conn_id), connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout
        )

    @functools.cached_property
    def access_tokens(self) -> AccessTokens:
        """Return the source of access tokens."""
        settings = self.settings
        return AccessTokens(
            self.grant_store,
            self.open_endpoint,
            actor=self.actor,
            margin=settings.refresh_margin,
            lease=settings.refresh_lease,
            meter=self.meter,
        )

    def build_service_account(
        self, *, scopes: Sequence[str] = (SCOPE,), party: Party = Party.SERVICE_ACCOUNT, tries: int = 2
    ) -> ServiceAccount:
        """Return the service account of delegated mailboxes; see there for the arguments."""
        settings = self.settings
        return ServiceAccount(
            settings.google_conn_id,
            load_google_credentials,
            scopes=scopes,
            party=party,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            tries=tries,
        )

    @contextmanager
    def open_directory(self, admin: str, *, with_groups: bool, time_limit: float | None = None) -> Iterator[Directory]:
        """Yield the directory of the Workspace that an administrator belongs to; nobody signs in with that account.

        Args:
            with_groups: whether the members of groups are read, which needs another scope.
            time_limit: see ``Directory``.

        Raises:
            InvalidInputError: if the Connection of the service account is missing or unusable.
        """
        settings, scopes = self.settings, (USER_SCOPE, *((MEMBER_SCOPE,) if with_groups else ()))
        account = self.build_service_account(scopes=scopes, party=Party.DIRECTORY_TOKEN)
        directory = Directory(
            admin,
            account.request_token,
            endpoint=settings.gmail_api_endpoint or DIRECTORY_ENDPOINT,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            time_limit=time_limit,
        )
        try:
            with account, directory:
                yield directory
        except ConfigurationError as error:
            raise InvalidInputError(str(error)) from None

    @functools.cached_property
    def mail_writer(self) -> MailWriter:
        """Return the mail writer. It uses the templates alone if the text generator is misconfigured."""
        from gmail_warmup.warmup.content.generators import MailWriter, build_template_generator

        templates = build_template_generator(self.settings)
        try:
            return MailWriter(templates, load_text_generator(self.settings, templates))
        except ConfigurationError as error:
            log.warning("The text generator cannot be used; the templates are used instead: %s", error)
            return MailWriter(templates)

    @functools.cached_property
    def removal_tools(self) -> RemovalTools:
        """Return what the removal of a mailbox uses."""
        from gmail_warmup.airflow.gmail_hook import GmailHook
        from gmail_warmup.warmup.removal.tools import RemovalTools

        return RemovalTools(
            store=self.grant_store,
            settings=self.settings,
            open_gmail=lambda address: GmailHook(address, services=self),
            open_endpoint=self.open_endpoint,
        )

    def check_installation(self) -> None:
        """Check key, database and schema before anything is changed, in one round trip.

        Raises:
            EncryptionKeyError: if there is no usable Fernet key, or the stored secrets are encrypted with another one.
            DatabaseNotReadyError: if the database cannot be reached, or its schema is not migrated.
            ConfigurationError: if a setting or a Connection is missing or wrong.
        """
        load_cipher()
        url = self.engine.url.render_as_string(hide_password=True)
        try:
            with autocommit(self.engine) as connection:
                key_check.check_key(connection, self.grant_store.cipher)
        except OperationalError as error:
            raise DatabaseNotReadyError(
                f"No database at {url}: {str(error.orig).strip().splitlines()[0]}. Start it, or correct the Airflow "
                f"Connection '{self.settings.db_conn_id}'."
            ) from None
        except ProgrammingError as error:
            raise DatabaseNotReadyError(
                f"The database {url} does not serve the schema {SCHEMA}: {str(error.orig).strip().splitlines()[0]}. "
                "Run: airflow db migrate && gmail-warmup init"
            ) from None
