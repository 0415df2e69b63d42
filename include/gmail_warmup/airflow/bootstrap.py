"""``gmail-warmup init``: what an installation needs once, after ``airflow db migrate``; may be repeated."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.fernet import InvalidToken
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.core.errors import ConfigurationError, DatabaseNotReadyError, EncryptionKeyError
from gmail_warmup.core.settings import load_settings
from gmail_warmup.crypto import key_check
from gmail_warmup.crypto.cipher import load_airflow_cipher
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.models import Base
from gmail_warmup.db.roles import ROLE, ensure_role

if TYPE_CHECKING:
    from airflow.models.connection import Connection
    from sqlalchemy.orm import Session

POOL, POOL_SLOTS = "gmail_warmup", 64
"""The pool has so many slots at least when it is made."""

DB_ADDRESS_VARIABLE = "GMAIL_WARMUP_DB_ADDRESS"
"""Variable with the HOST:PORT at which tasks and page reach the database, where that is another one than Airflow's."""

CLIENT_ID_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{5,199}$")


@dataclass(frozen=True, kw_only=True)
class ClientVariables:
    """The OAuth client as the environment (``.env``) gives it."""

    client_id: str
    secret: str = field(repr=False)
    auth_uri: str | None = None
    token_uri: str | None = None
    api_endpoint: str | None = None


def read_client_variables(environment: Mapping[str, str]) -> ClientVariables | None:
    """Read GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET and the optional endpoints; None if neither of the two is set.

    Raises:
        ConfigurationError: if one is missing beside the other, or malformed.
    """
    client_id = environment.get("GOOGLE_CLIENT_ID", "").strip()
    secret = environment.get("GOOGLE_CLIENT_SECRET", "").strip()
    if not client_id and not secret:
        return None
    for name, value in (("GOOGLE_CLIENT_ID", client_id), ("GOOGLE_CLIENT_SECRET", secret)):
        if not value:
            raise ConfigurationError(
                f"{name} is empty while its partner is set. Copy both from the Google Cloud console."
            )
    if not CLIENT_ID_PATTERN.match(client_id):
        raise ConfigurationError(
            "GOOGLE_CLIENT_ID is malformed: it has letters, digits, dots and dashes only and mostly ends in "
            ".apps.googleusercontent.com. Copy it again from the Google Cloud console."
        )
    if re.search(r"\s", secret):
        raise ConfigurationError("GOOGLE_CLIENT_SECRET holds white space. Copy it again from the Google Cloud console.")
    optional = {}
    for variable, key in (
        ("GOOGLE_AUTH_URI", "auth_uri"),
        ("GOOGLE_TOKEN_URI", "token_uri"),
        ("GMAIL_API_ENDPOINT", "api_endpoint"),
    ):
        value = environment.get(variable, "").strip()
        if value and not re.match(r"^https?://[^\s/]+", value):
            raise ConfigurationError(f"{variable} must be an http(s) address (it is {value!r}).")
        optional[key] = value or None
    return ClientVariables(client_id=client_id, secret=secret, **optional)


def read_database_address(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Read GMAIL_WARMUP_DB_ADDRESS, such as a PgBouncer's; None if it is not set.

    Raises:
        ConfigurationError: if it is malformed.
    """
    given = environment.get(DB_ADDRESS_VARIABLE, "").strip()
    host, _, port = given.rpartition(":")
    if not given:
        return None
    if not re.fullmatch(r"[A-Za-z0-9._-]+", host) or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"{DB_ADDRESS_VARIABLE} must be HOST:PORT (it is {given!r}).")
    return host, int(port)


def initialize_installation(environment: Mapping[str, str] | None = None) -> list[str]:
    """Check everything, then make role, rights and Connections; return what was done, a line each.

    Raises:
        ConfigurationError: before anything was changed.
    """
    variables = os.environ if environment is None else environment
    client, address = read_client_variables(variables), read_database_address(variables)
    settings = load_settings()
    cipher = load_airflow_cipher()
    from airflow import settings as airflow_settings

    engine = airflow_settings.engine
    if engine is None:
        raise DatabaseNotReadyError("Airflow has no database here. Set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN.")
    _require_schema(engine)
    _require_readable(settings.client_conn_id)
    # Kept if it exists: whoever is running holds connections made with it, and goes on making them.
    password = _find_password(settings.db_conn_id) or secrets.token_urlsafe(24)
    with engine.begin() as connection:
        key_check.check_key(connection, cipher)
    done = ["Fernet key: it is the one that the stored secrets are under"]
    with engine.begin() as connection:
        ensure_role(connection, role=ROLE, password=password)
    done.append(f"role {ROLE}: may use the schema {SCHEMA} and nothing else")
    _save_connection(settings.db_conn_id, _build_database_connection(engine.url, password, address))
    done.append(f"Connection {settings.db_conn_id}: the database, with that role")
    if client:
        _save_connection(settings.client_conn_id, _build_client_connection(client))
        done.append(f"Connection {settings.client_conn_id}: the OAuth client {client.client_id}")
    else:
        done.append(f"Connection {settings.client_conn_id}: left as it is, GOOGLE_CLIENT_ID is not set")
    _ensure_pool(max(POOL_SLOTS, settings.max_active_tasks))
    done.append(f"pool {POOL}: bounds the mailboxes that are worked in at once")
    return done


def _require_schema(engine: sa.Engine) -> None:
    if engine.dialect.name != "postgresql":
        raise DatabaseNotReadyError(
            f"gmail-warmup needs PostgreSQL; Airflow's database is {engine.dialect.name}. Set "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN to postgresql+psycopg2://..."
        )
    try:
        found = set(sa.inspect(engine).get_table_names(schema=SCHEMA))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise DatabaseNotReadyError(
            f"Airflow's database cannot be reached: {reason}. Start it, or correct its address."
        ) from None
    if not found.issuperset(table.name for table in Base.metadata.sorted_tables):
        raise DatabaseNotReadyError()


def _find_connection(session: Session, conn_id: str) -> Connection | None:
    """Return a stored Connection.

    Raises:
        EncryptionKeyError: if it is under another Fernet key; Airflow decrypts it as soon as it is loaded.
    """
    from airflow.models.connection import Connection

    try:
        return session.scalar(sa.select(Connection).where(Connection.conn_id == conn_id))
    except InvalidToken:
        raise EncryptionKeyError(
            f"AIRFLOW__CORE__FERNET_KEY does not read the Airflow Connection '{conn_id}'; nothing was changed. Put the "
            "former key behind the new one, separated by a comma, then run: airflow rotate-fernet-key"
        ) from None


def _find_password(conn_id: str) -> str | None:
    from airflow.utils.session import create_session

    with create_session() as session:
        known = _find_connection(session, conn_id)
        return known.password if known is not None and known.login == ROLE else None


def _require_readable(conn_id: str) -> None:
    from airflow.utils.session import create_session

    with create_session() as session:
        _find_connection(session, conn_id)


def _build_database_connection(admin: sa.URL, password: str, address: tuple[str, int] | None) -> dict[str, Any]:
    if address:
        admin = admin.difference_update_query(["host", "port"]).set(host=address[0], port=address[1])
    return {
        "conn_type": "postgres",
        "login": ROLE,
        "password": password,
        "host": admin.host,
        "port": admin.port,
        "schema": admin.database,
        "extra": json.dumps(dict(admin.query)) if admin.query else None,
    }


def _build_client_connection(client: ClientVariables) -> dict[str, Any]:
    extra = {
        "auth_uri": client.auth_uri,
        "token_uri": client.token_uri,
        "api_endpoint": client.api_endpoint,
    }
    return {
        "conn_type": "gmail_oauth_client",
        "login": client.client_id,
        "password": client.secret,
        "extra": json.dumps({key: value for key, value in extra.items() if value}),
    }


def _ensure_pool(slots: int) -> None:
    """Make the pool of the warmup's tasks; without it they would wait for ever. Its size is the operator's."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    with create_session() as session:
        if session.scalar(sa.select(Pool).where(Pool.pool == POOL)) is None:
            session.add(Pool(pool=POOL, slots=slots, description="Mailboxes worked in at once", include_deferred=False))


def _save_connection(conn_id: str, values: dict[str, Any]) -> None:
    """Write a Connection into Airflow's database, encrypted by Airflow; one that exists keeps its further secrets."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        known = _find_connection(session, conn_id)
        if known is None:
            session.add(Connection(conn_id=conn_id, **values))
            return
        if values["conn_type"] == "gmail_oauth_client" and known.extra_dejson.get("secrets"):
            values["extra"] = json.dumps(json.loads(values["extra"]) | {"secrets": known.extra_dejson["secrets"]})
        for key, value in values.items():
            setattr(known, key, value)
