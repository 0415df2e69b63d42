"""Wiring: from Airflow's Connections and configuration to the plain objects underneath.

The one module, with the hook, that knows where Airflow keeps things. Connections come from whatever secrets backend
serves them; nothing is opened while a module is imported.
"""

from __future__ import annotations

import functools
import json
import logging
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from gmail_warmup.airflow.stats_meter import create_meter
from gmail_warmup.core.errors import ConfigurationError, DatabaseNotReadyError
from gmail_warmup.core.metrics import Meter
from gmail_warmup.core.settings import Settings, load_settings
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.cipher import load_airflow_cipher
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.engine import build_url, connect_autocommit, make_engine
from gmail_warmup.db.statement_cache import take_prepared_engine
from gmail_warmup.oauth import client_cache
from gmail_warmup.oauth.access_tokens import AccessTokens
from gmail_warmup.oauth.client_cache import KnownClient
from gmail_warmup.oauth.grant_store import Actor, GrantStore
from gmail_warmup.oauth.token_endpoint import GOOGLE_AUTH_URI, GOOGLE_TOKEN_URI, OAuthClient, TokenEndpoint

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from gmail_warmup.warmup.content.generators import MailWriter, TextGenerator

log = logging.getLogger(__name__)


def get_airflow_connection(conn_id: str, purpose: str) -> Connection:
    """Return an Airflow Connection.

    Raises:
        ConfigurationError: if it is missing; says what it is for and how it is made.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' ({purpose}) is missing. Make it with 'gmail-warmup init', or by hand "
            "as the README says. If it is there, AIRFLOW__CORE__FERNET_KEY is not the key that it is stored under."
        ) from None


def load_oauth_client(settings: Settings) -> OAuthClient:
    """Return the operator's OAuth client.

    Raises:
        ConfigurationError: if the Connection is missing, has no client id or no secret, or a malformed extra.
    """
    conn_id = settings.client_conn_id
    found = get_airflow_connection(conn_id, "the OAuth client")
    if not found.login or not found.password:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' needs the client id as its login and the client secret as its "
            "password. Set GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET in .env and run: gmail-warmup init"
        )
    try:
        extra = json.loads(found.extra) if found.extra else {}
    except ValueError:
        raise ConfigurationError(f"The extra of the Airflow Connection '{conn_id}' is not JSON.") from None
    further = extra.get("secrets") or []
    if not isinstance(further, list):
        raise ConfigurationError(f"In the Airflow Connection '{conn_id}', extra.secrets must be a list of secrets.")
    return OAuthClient(
        client_id=found.login,
        secrets=(found.password, *map(str, further)),
        auth_uri=extra.get("auth_uri") or GOOGLE_AUTH_URI,
        token_uri=extra.get("token_uri") or GOOGLE_TOKEN_URI,
        api_endpoint=extra.get("api_endpoint") or None,
    )


def build_chat_server(settings: Settings, frame: TextGenerator) -> TextGenerator | None:
    """Return the text generator of the settings, or None where there is none.

    Args:
        frame: what subjects, greetings and closings come from.

    Raises:
        ConfigurationError: if its Connection is missing, or names no server or model.
    """
    from gmail_warmup.warmup.content.generators import ChatGenerator

    conn_id = settings.generator_conn_id
    if not conn_id:
        return None
    found = get_airflow_connection(conn_id, "the text generator")
    try:
        extra = json.loads(found.extra) if found.extra else {}
        base_url, model = str(extra.get("base_url") or found.host or ""), str(extra.get("model") or "")
        timeout = float(extra.get("timeout") or 20)
    except (ValueError, AttributeError):
        raise ConfigurationError(
            f"The extra of the Airflow Connection '{conn_id}' is not a JSON object with a number of seconds as timeout."
        ) from None
    if not base_url.startswith(("http://", "https://")) or not model:
        raise ConfigurationError(
            f"The Airflow Connection '{conn_id}' needs the server's address, https://..., as its host, and a model in "
            'its extra, {"model": "..."}. See docs/content.md.'
        )
    return ChatGenerator(
        templates=frame, base_url=base_url, model=model, api_key=found.password or "", timeout=min(timeout, 60)
    )


class Services:
    """Everything that a task, the page or a command needs, made when it is first asked for.

    Args:
        actor: who acts, for the history of the grants.
        pooled: keep database connections, for a process that lives long.
    """

    def __init__(self, actor: Actor, *, pooled: bool = False) -> None:
        self.actor = actor
        self._pooled = pooled

    @functools.cached_property
    def settings(self) -> Settings:
        """Return the settings."""
        return load_settings()

    @functools.cached_property
    def meter(self) -> Meter:
        """Return where metrics go: nowhere, unless Airflow's are switched on."""
        return create_meter()

    @functools.cached_property
    def engine(self) -> sa.Engine:
        """Return the engine with the restricted role."""
        found = get_airflow_connection(self.settings.db_conn_id, "the database, with the restricted role")
        url = build_url(found)
        return make_engine(url, pooled=True) if self._pooled else take_prepared_engine(url)

    @functools.cached_property
    def oauth_client(self) -> OAuthClient:
        """Return the OAuth client."""
        return load_oauth_client(self.settings)

    @functools.cached_property
    def client_info(self) -> KnownClient:
        """Return the OAuth client without its secrets."""
        return KnownClient.of(self.oauth_client)

    def use_cached_client(self, row: str | None) -> None:
        """Take it from the row ``client_in_use``, where that can be read, in place of the Connection."""
        if found := client_cache.read(row, self.grant_store.cipher):
            self.client_info = found

    def cache_client(self) -> None:
        """Read the Connection of the OAuth client, and write down what tasks need to know of it.

        Raises:
            ConfigurationError: the Connection is missing or wrong.
        """
        with connect_autocommit(self.engine) as connection:
            client_cache.remember(connection, self.grant_store.cipher, KnownClient.of(self.oauth_client))

    @functools.cached_property
    def grant_store(self) -> GrantStore:
        """Return the store of grants."""
        return GrantStore(self.engine, load_airflow_cipher(), suspect_delay=self.settings.suspect_delay)

    @functools.cached_property
    def token_endpoint(self) -> TokenEndpoint:
        """Return the token endpoint."""
        settings = self.settings
        return TokenEndpoint(
            self.oauth_client, connect_timeout=settings.connect_timeout, read_timeout=settings.read_timeout
        )

    @functools.cached_property
    def access_tokens(self) -> AccessTokens:
        """Return the source of access tokens."""
        settings = self.settings
        return AccessTokens(
            self.grant_store,
            lambda: self.token_endpoint,
            actor=self.actor,
            margin=settings.refresh_margin,
            lease=settings.refresh_lease,
            meter=self.meter,
        )

    @functools.cached_property
    def mail_writer(self) -> MailWriter:
        """Return who writes the mails; nothing that is wrong with a text generator keeps them from being sent."""
        from gmail_warmup.warmup.content.generators import MailWriter, build_template_generator

        templates = build_template_generator(self.settings)
        try:
            return MailWriter(templates, build_chat_server(self.settings, templates))
        except ConfigurationError as error:
            log.warning("The text generator cannot be used, the templates are: %s", error)
            return MailWriter(templates)

    def check_installation(self) -> None:
        """Check key, database and schema before anything is changed, in one round trip.

        Raises:
            EncryptionKeyError: no usable Fernet key, or another one than the stored secrets are under.
            DatabaseNotReadyError: no database, or the schema is not migrated.
            ConfigurationError: a setting or a Connection is missing or wrong.
        """
        load_airflow_cipher()
        url = self.engine.url.render_as_string(hide_password=True)
        try:
            with connect_autocommit(self.engine) as connection:
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
