"""``gmail-warmup init``: set an installation up after ``airflow db migrate``; may be repeated."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.airflow.configuration import load_settings
from gmail_warmup.airflow.encryption import load_cipher
from gmail_warmup.airflow.setup.database_login import set_up_database_login
from gmail_warmup.airflow.setup.permissions import RESOURCE, create_permissions
from gmail_warmup.airflow.setup.stored_connections import require_readable, save_connection
from gmail_warmup.core.client_credentials import ClientVariables, read_client_variables
from gmail_warmup.core.enums import Permission
from gmail_warmup.core.errors import ConfigurationError, DatabaseNotReadyError
from gmail_warmup.crypto import key_check
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.engine import require_postgresql, write_transaction
from gmail_warmup.db.models import Base

POOL, POOL_SLOTS = "gmail_warmup", 64
"""Name and minimum number of slots of the pool when it is created."""

DB_ADDRESS_VARIABLE = "GMAIL_WARMUP_DB_ADDRESS"
"""Variable with the HOST:PORT at which tasks and page reach the database, if it differs from Airflow's."""


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
    for conn_id in (settings.client_conn_id, settings.db_conn_id):
        require_readable(conn_id)
    with write_transaction(engine) as connection:
        key_check.check_key(connection, cipher)
    done = ["Fernet key: it decrypts the stored secrets"]
    done += set_up_database_login(engine, settings.db_conn_id, address)
    if client:
        _save_client(settings.client_conn_id, client)
        done.append(f"Connection {settings.client_conn_id}: the OAuth client {client.client_id}")
    else:
        done.append(f"Connection {settings.client_conn_id}: unchanged, GOOGLE_CLIENT_ID is not set")
    _ensure_pool(max(POOL_SLOTS, settings.max_active_tasks))
    done.append(f"pool {POOL}: limits the number of mailboxes that are processed in parallel")
    if create_permissions():
        done.append(f"permissions {', '.join(Permission)} on {RESOURCE}: roles of Airflow can be granted them")
    return done


def _require_schema(engine: sa.Engine) -> None:
    require_postgresql(engine.dialect.name)
    try:
        tables = set(sa.inspect(engine).get_table_names(schema=SCHEMA))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise DatabaseNotReadyError(
            f"Airflow's database cannot be reached: {reason}. Start it, or correct its address."
        ) from None
    if not tables.issuperset(table.name for table in Base.metadata.sorted_tables):
        raise DatabaseNotReadyError()


def _save_client(conn_id: str, client: ClientVariables) -> None:
    values = {"conn_type": "gmail_oauth_client", "login": client.client_id, "password": client.secret}
    save_connection(conn_id, values, {key: value or None for key, value in client.endpoints.items()})


def _ensure_pool(slots: int) -> None:
    """Create the pool of the mapped tasks, which would wait for it indefinitely. An existing one is not changed."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    with create_session() as session:
        if session.scalar(sa.select(Pool).where(Pool.pool == POOL)) is None:
            session.add(
                Pool(pool=POOL, slots=slots, description="Mailboxes processed in parallel", include_deferred=False)
            )
