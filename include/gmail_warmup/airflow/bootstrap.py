"""``gmail-warmup init``: set an installation up after ``airflow db migrate``; may be repeated."""

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

from gmail_warmup.airflow.configuration import load_settings
from gmail_warmup.airflow.encryption import load_cipher
from gmail_warmup.core.errors import ConfigurationError, DatabaseNotReadyError, EncryptionKeyError
from gmail_warmup.crypto import key_check
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.models import Base
from gmail_warmup.db.roles import ROLE, ensure_role

if TYPE_CHECKING:
    from airflow.models.connection import Connection
    from sqlalchemy.orm import Session

POOL, POOL_SLOTS = "gmail_warmup", 64
"""Name and minimum number of slots of the pool when it is created."""

DB_ADDRESS_VARIABLE = "GMAIL_WARMUP_DB_ADDRESS"
"""Variable with the HOST:PORT at which tasks and page reach the database, if it differs from Airflow's."""

CLIENT_ID_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{5,199}$")


@dataclass(frozen=True, kw_only=True)
class ClientVariables:
    """The OAuth client from the environment (``.env``)."""

    client_id: str
    secret: str = field(repr=False)
    auth_uri: str | None = None
    token_uri: str | None = None
    api_endpoint: str | None = None


def read_client_variables(environment: Mapping[str, str]) -> ClientVariables | None:
    """Read GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET and the optional endpoints; None if neither of the two is set.

    Raises:
        ConfigurationError: if one of the two is missing, or a variable is malformed.
    """
    client_id = environment.get("GOOGLE_CLIENT_ID", "").strip()
    secret = environment.get("GOOGLE_CLIENT_SECRET", "").strip()
    if not client_id and not secret:
        return None
    for name, value in (("GOOGLE_CLIENT_ID", client_id), ("GOOGLE_CLIENT_SECRET", secret)):
        if not value:
            raise ConfigurationError(
                f"{name} is empty although the other variable is set. Copy both from the Google Cloud console."
            )
    if not CLIENT_ID_PATTERN.match(client_id):
        raise ConfigurationError(
            "GOOGLE_CLIENT_ID is malformed: it may contain letters, digits, dots and dashes only, and usually ends in "
            ".apps.googleusercontent.com. Copy it again from the Google Cloud console."
        )
    if re.search(r"\s", secret):
        raise ConfigurationError(
            "GOOGLE_CLIENT_SECRET contains white space. Copy it again from the Google Cloud console."
        )
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
    """Read GMAIL_WARMUP_DB_ADDRESS, such as that of a PgBouncer; None if it is not set.

    Raises:
        ConfigurationError: if it is malformed.
    """
    value = environment.get(DB_ADDRESS_VARIABLE, "").strip()
    host, _, port = value.rpartition(":")
    if not value:
        return None
    if not re.fullmatch(r"[A-Za-z0-9._-]+", host) or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"{DB_ADDRESS_VARIABLE} must be HOST:PORT (it is {value!r}).")
    return host, int(port)


def initialize_installation(environment: Mapping[str, str] | None = None) -> list[str]:
    """Check everything, then create role, privileges, Connections and pool; return a line for each step.

    Raises:
        ConfigurationError: if a check fails; nothing was changed then.
    """
    variables = os.environ if environment is None else environment
    client, address = read_client_variables(variables), read_database_address(variables)
    settings = load_settings()
    cipher = load_cipher()
    from airflow import settings as airflow_settings

    engine = airflow_settings.engine
    if engine is None:
        raise DatabaseNotReadyError("Airflow has no database. Set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN.")
    _require_schema(engine)
    _require_readable(settings.client_conn_id)
    # An existing password is kept: running processes open connections with it.
    password = _find_password(settings.db_conn_id) or secrets.token_urlsafe(24)
    with write_transaction(engine) as connection:
        key_check.check_key(connection, cipher)
    done = ["Fernet key: it decrypts the stored secrets"]
    with write_transaction(engine) as connection:
        ensure_role(connection, role=ROLE, password=password)
    done.append(f"role {ROLE}: may use the schema {SCHEMA} and nothing else")
    _save_connection(settings.db_conn_id, _build_database_connection(engine.url, password, address))
    done.append(f"Connection {settings.db_conn_id}: the database, with that role")
    if client:
        _save_connection(settings.client_conn_id, _build_client_connection(client))
        done.append(f"Connection {settings.client_conn_id}: the OAuth client {client.client_id}")
    else:
        done.append(f"Connection {settings.client_conn_id}: unchanged, GOOGLE_CLIENT_ID is not set")
    _ensure_pool(max(POOL_SLOTS, settings.max_active_tasks))
    done.append(f"pool {POOL}: limits the number of mailboxes that are processed in parallel")
    return done


def _require_schema(engine: sa.Engine) -> None:
    if engine.dialect.name != "postgresql":
        raise DatabaseNotReadyError(
            f"gmail-warmup needs PostgreSQL; Airflow's database is {engine.dialect.name}. Set "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN to postgresql+psycopg2://..."
        )
    try:
        tables = set(sa.inspect(engine).get_table_names(schema=SCHEMA))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise DatabaseNotReadyError(
            f"Airflow's database cannot be reached: {reason}. Start it, or correct its address."
        ) from None
    if not tables.issuperset(table.name for table in Base.metadata.sorted_tables):
        raise DatabaseNotReadyError()


def _find_connection(session: Session, conn_id: str) -> Connection | None:
    """Return a stored Connection.

    Raises:
        EncryptionKeyError: if it is encrypted with another Fernet key; Airflow decrypts it when it is loaded.
    """
    from airflow.models.connection import Connection

    try:
        return session.scalar(sa.select(Connection).where(Connection.conn_id == conn_id))
    except InvalidToken:
        raise EncryptionKeyError(
            f"AIRFLOW__CORE__FERNET_KEY does not decrypt the Airflow Connection '{conn_id}'; nothing was changed. "
            "Append the former key to the new one, separated by a comma, then run: airflow rotate-fernet-key"
        ) from None


def _find_password(conn_id: str) -> str | None:
    from airflow.utils.session import create_session

    with create_session() as session:
        connection = _find_connection(session, conn_id)
        return connection.password if connection is not None and connection.login == ROLE else None


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
    """Create the pool of the mapped tasks, which would wait for it indefinitely. An existing one is not changed."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    with create_session() as session:
        if session.scalar(sa.select(Pool).where(Pool.pool == POOL)) is None:
            session.add(
                Pool(pool=POOL, slots=slots, description="Mailboxes processed in parallel", include_deferred=False)
            )


def _save_connection(conn_id: str, values: dict[str, Any]) -> None:
    """Write a Connection to Airflow's database, encrypted by Airflow. An existing one keeps its additional secrets."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        connection = _find_connection(session, conn_id)
        if connection is None:
            session.add(Connection(conn_id=conn_id, **values))
            return
        if values["conn_type"] == "gmail_oauth_client" and connection.extra_dejson.get("secrets"):
            values["extra"] = json.dumps(json.loads(values["extra"]) | {"secrets": connection.extra_dejson["secrets"]})
        for key, value in values.items():
            setattr(connection, key, value)
