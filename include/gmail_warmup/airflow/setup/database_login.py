"""Set up the restricted role of this database, and the Connection with which tasks and page log in with it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from gmail_warmup.airflow.setup.stored_connections import read_login, save_connection
from gmail_warmup.core.errors import DatabaseNotReadyError
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.roles import (
    LEGACY_ROLE,
    RolePrivilegeError,
    ensure_role,
    get_role_name,
    grant_privileges,
    remove_legacy_role,
)


@dataclass(frozen=True, kw_only=True)
class Login:
    """The login of tasks and page."""

    role: str
    password: str = field(repr=False)


def set_up_database_login(engine: sa.Engine, conn_id: str, address: tuple[str, int] | None) -> list[str]:
    """Create or update role and Connection; return a line for each step.

    Args:
        engine: connects to Airflow's database with Airflow's user.
        conn_id: the Connection.
        address: host and port of the database for tasks and page, if they differ from Airflow's.

    Raises:
        RolePrivilegeError: if Airflow's user may not create the role, and no stored login works. The Connection has
            the password that fits the statements of the error then.
        DatabaseNotReadyError: if the database reports another error.
    """
    found = read_login(conn_id)
    stored = Login(role=found[0], password=found[1]) if found else None
    try:
        with write_transaction(engine) as connection:
            role = get_role_name(connection)
        # An existing password is kept: running processes open connections with it.
        login = stored if stored and stored.role == role else Login(role=role, password=secrets.token_urlsafe(24))
        line = _ensure_role(engine, login)
    except RolePrivilegeError:
        if stored is None or not _works(engine, stored):
            _save(conn_id, engine.url, login, address)
            raise
        login, line = stored, _grant_to_kept_role(engine, stored)
    except DBAPIError as error:
        raise _database_error(error) from None
    _save(conn_id, engine.url, login, address)
    done = [line, f"Connection {conn_id}: the database, with that role"]
    if stored and stored.role != login.role:
        done.append(f"role {stored.role}: replaced; restart Airflow's processes, which still use it")
    elif login.role != LEGACY_ROLE and _remove_legacy_role(engine):
        done.append(f"role {LEGACY_ROLE}: may not use this database any more")
    return done


def _ensure_role(engine: sa.Engine, login: Login) -> str:
    with write_transaction(engine) as connection:
        ensure_role(connection, role=login.role, password=login.password)
    return f"role {login.role}: may use the schema {SCHEMA} and nothing else"


def _grant_to_kept_role(engine: sa.Engine, login: Login) -> str:
    """Grant the privileges to a role that an administrator made, or a former version."""
    try:
        with write_transaction(engine) as connection:
            grant_privileges(connection, role=login.role)
    except DBAPIError as error:
        raise _database_error(error) from None
    return f"role {login.role}: kept, since Airflow's database user may not change it; may use the schema {SCHEMA}"


def _remove_legacy_role(engine: sa.Engine) -> bool:
    with write_transaction(engine) as connection:
        return remove_legacy_role(connection)


def _works(engine: sa.Engine, login: Login) -> bool:
    """Return whether a stored login, other than Airflow's own, is accepted."""
    if login.role == engine.url.username:
        return False
    url = engine.url.set(username=login.role, password=login.password)
    probe = sa.create_engine(url, poolclass=sa.pool.NullPool, hide_parameters=True)
    try:
        probe.connect().close()
    except OperationalError:
        return False
    return True


def _save(conn_id: str, admin: sa.URL, login: Login, address: tuple[str, int] | None) -> None:
    if address:
        admin = admin.difference_update_query(["host", "port"]).set(host=address[0], port=address[1])
    values = {
        "conn_type": "postgres",
        "login": login.role,
        "password": login.password,
        "host": admin.host,
        "port": admin.port,
        "schema": admin.database,
    }
    save_connection(conn_id, values, {"host": None, "port": None, **admin.query})


def _database_error(error: DBAPIError) -> DatabaseNotReadyError:
    reason = str(error.orig).strip().splitlines()[0]
    return DatabaseNotReadyError(
        f"The database reports an error: {reason}. Run gmail-warmup init with the database user that ran airflow db "
        "migrate, which owns the tables."
    )
