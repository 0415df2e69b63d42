"""The restricted database role: it can use the schema ``gmail_warmup`` and nothing else of Airflow's database.

No statement contains a password, only its verifier: statements appear in exceptions and in logs of the server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db import models
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.engine import TIME_ZONE
from gmail_warmup.db.scram import build_verifier
from gmail_warmup.db.sql_functions import GRANTED_FUNCTIONS

LEGACY_ROLE = "gmail_warmup"
"""The role of version 0.1, one for all databases of a server. The names of the present roles begin with it."""

_MAX_NAME_BYTES = 63
_INSUFFICIENT_PRIVILEGE, _DEPENDENT_OBJECTS = "42501", "2BP01"


@dataclass(frozen=True, kw_only=True)
class TablePrivileges:
    """The privileges of the role on a table, in addition to SELECT.

    Attributes:
        update_columns: the columns that it may update; empty for all.
    """

    can_insert: bool = True
    can_update: bool = True
    update_columns: tuple[str, ...] = ()
    can_delete: bool = False

    def to_sql(self) -> str:
        """Return the privileges in the syntax of GRANT."""
        privileges = ["SELECT", "INSERT"] if self.can_insert else ["SELECT"]
        if self.can_update:
            privileges.append(f"UPDATE ({', '.join(self.update_columns)})" if self.update_columns else "UPDATE")
        return ", ".join([*privileges, "DELETE"] if self.can_delete else privileges)


TABLE_PRIVILEGES = {
    "alert": TablePrivileges(),
    "alert_item": TablePrivileges(update_columns=("alert_id",), can_delete=True),
    "asset_flag": TablePrivileges(can_update=False, can_delete=True),
    "audit": TablePrivileges(update_columns=("finished_at", "report")),
    "breaker": TablePrivileges(),
    "canary": TablePrivileges(update_columns=("ciphertext",)),
    "change_log": TablePrivileges(can_update=False),
    "consent": TablePrivileges(
        update_columns=(
            "code_verifier",
            "used_at",
            "outcome",
            "address",
            "actual_address",
            "kept_result",
            "kept_until",
        )
    ),
    "domain_authentication": TablePrivileges(can_delete=True),
    "dag_heartbeat": TablePrivileges(update_columns=("succeeded_at", "steady_since")),
    "domain_check": TablePrivileges(can_delete=True),
    "domain_day": TablePrivileges(can_update=False, can_delete=True),
    "domain_volume": TablePrivileges(can_update=False, can_delete=True),
    "grant_day": TablePrivileges(can_update=False, can_delete=True),
    "grant_event": TablePrivileges(can_update=False),
    "halt": TablePrivileges(update_columns=("ended_at", "ended_by")),
    "health_event": TablePrivileges(update_columns=("alert_id",)),
    "incident": TablePrivileges(update_columns=("reason", "detail", "closed_at", "opened_alert_id", "closed_alert_id")),
    "invite": TablePrivileges(update_columns=("used_at", "revoked_at", "revoked_by")),
    "ledger": TablePrivileges(),
    "ledger_history": TablePrivileges(can_insert=False, can_update=False),
    "mailbox": TablePrivileges(),
    "mailbox_authentication": TablePrivileges(),
    "mailbox_day": TablePrivileges(),
    "mailbox_failure": TablePrivileges(can_delete=True),
    "mailbox_tag": TablePrivileges(can_update=False, can_delete=True),
    "oauth_client": TablePrivileges(update_columns=("client_id", "user_limit", "tags", "retired_at")),
    "oauth_client_user": TablePrivileges(can_insert=False, can_update=False),
    "oauth_grant": TablePrivileges(),
    "mailbox_readiness": TablePrivileges(),
    "owner_mail": TablePrivileges(),
    "mailbox_removal": TablePrivileges(
        update_columns=(
            "revoke_grant",
            "trash_mail",
            "step",
            "problem",
            "next_try_at",
            "trashed",
            "trashed_until",
            "trash_outcome",
            "revoke_outcome",
        )
    ),
    "plan_basis": TablePrivileges(),
    "report_link": TablePrivileges(update_columns=("revoked_at", "revoked_by"), can_delete=True),
    "tag_schedule": TablePrivileges(can_delete=True),
    "repair": TablePrivileges(update_columns=("consent_id", "outcome", "detail"), can_delete=True),
    "webhook_delivery": TablePrivileges(
        update_columns=("sent_at", "attempts", "next_try_at", "given_up_at", "failure"), can_delete=True
    ),
    "webhook_event": TablePrivileges(update_columns=("address", "dispatched_at"), can_delete=True),
    "webhook_receiver": TablePrivileges(can_delete=True),
}
"""The least that tasks, page and commands need: rows of a history are only added, and no mailbox is
deleted, except by the function of a removal.

Old rows are moved and deleted by functions of the schema's owner, see ``sql_functions``. A partition needs no entry:
its rows are accessed through its table, with the privileges on that.
"""

# Removing some of these requires a superuser, so attributes that are already right are not altered.
_DENIED_ATTRIBUTES = {
    "rolsuper": "NOSUPERUSER",
    "rolcreatedb": "NOCREATEDB",
    "rolcreaterole": "NOCREATEROLE",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}


class RolePrivilegeError(ConfigurationError):
    """The database user may not create or change the role; ``sql`` is for an administrator of the database."""

    def __init__(self, user: str, role: str, sql: str) -> None:
        self.sql = sql
        super().__init__(
            f"Airflow's database user {user} may not create or change the role {role}: let an administrator of the "
            f"database run these statements in Airflow's database, then run this command again.\n\n{sql}"
        )


def get_role_name(connection: sa.Connection) -> str:
    """Return the name of the role of the current database; roles belong to the whole server."""
    database, user = connection.execute(sa.text("SELECT current_database(), current_user")).one()
    name = f"{LEGACY_ROLE}_{database}"
    if len(name.encode()) > _MAX_NAME_BYTES:
        name = f"{LEGACY_ROLE}_{hashlib.sha256(database.encode()).hexdigest()[:32]}"
    return f"{name}_tasks" if name == user else name


def ensure_role(connection: sa.Connection, *, role: str, password: str) -> None:
    """Create the role if it is missing, set its password, and grant it exactly its privileges; may be repeated.

    The connection needs the right to create roles, and to own the schema.

    Raises:
        RolePrivilegeError: if it may not create or change the role. Nothing was changed then.
    """
    statements = _build_role_statements(connection, role, password)
    try:
        with connection.begin_nested():
            _execute(connection, statements)
    except DBAPIError as error:
        if _get_sqlstate(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        user = connection.scalar(sa.text("SELECT current_user"))
        raise RolePrivilegeError(str(user), role, "\n".join(f"{line};" for line in statements)) from None
    grant_privileges(connection, role=role)


def grant_privileges(connection: sa.Connection, *, role: str) -> None:
    """Grant an existing role exactly its privileges. The connection needs to own the schema."""
    name = _quote(role)
    statements = [
        *_revoke_tables(connection, role),
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM {name}",
        f"REVOKE ALL ON SCHEMA {SCHEMA} FROM {name}",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {name}",
    ]
    for table in models.Base.metadata.sorted_tables:
        statements.append(f"GRANT {TABLE_PRIVILEGES[table.name].to_sql()} ON {SCHEMA}.{_quote(table.name)} TO {name}")
    statements += [f"GRANT EXECUTE ON FUNCTION {signature} TO {name}" for signature in GRANTED_FUNCTIONS]
    _execute(connection, statements)


def remove_legacy_role(connection: sa.Connection) -> bool:
    """Take the privileges of the role that all databases of a server shared; drop it if no other database uses it.

    Return whether anything was done: nothing is while a process of this installation is still connected with it.
    """
    query = sa.text(
        "SELECT n.nspowner <> r.oid AND r.rolname <> current_user AND has_schema_privilege(r.oid, n.oid, 'USAGE')"
        " AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.usesysid = r.oid AND a.datname = current_database())"
        " FROM pg_roles r, pg_namespace n WHERE r.rolname = :role AND n.nspname = :schema"
    )
    if not connection.scalar(query, {"role": LEGACY_ROLE, "schema": SCHEMA}):
        return False
    database = _quote(str(connection.scalar(sa.text("SELECT current_database()"))))
    objects = ("ALL TABLES IN SCHEMA", "ALL FUNCTIONS IN SCHEMA", "SCHEMA")
    statements = [f"REVOKE ALL ON {kind} {SCHEMA} FROM {LEGACY_ROLE}" for kind in objects]
    _execute(connection, [*statements, f"REVOKE CONNECT ON DATABASE {database} FROM {LEGACY_ROLE}"])
    try:
        with connection.begin_nested():
            _execute(connection, [f"DROP ROLE {LEGACY_ROLE}"])
    except DBAPIError as error:
        if _get_sqlstate(error) not in (_INSUFFICIENT_PRIVILEGE, _DEPENDENT_OBJECTS):
            raise
    return True


def _build_role_statements(connection: sa.Connection, role: str, password: str) -> list[str]:
    """Return the statements that need the right to create roles."""
    verb, attributes = _build_attributes(connection, role)
    name, database = _quote(role), _quote(str(connection.scalar(sa.text("SELECT current_database()"))))
    return [
        f"{verb} ROLE {name} {attributes} PASSWORD '{build_verifier(password)}'",
        f"GRANT CONNECT ON DATABASE {database} TO {name}",
        f"ALTER ROLE {name} IN DATABASE {database} SET search_path = {SCHEMA}",
        f"ALTER ROLE {name} IN DATABASE {database} SET timezone = '{TIME_ZONE}'",
    ]


def _build_attributes(connection: sa.Connection, role: str) -> tuple[str, str]:
    """Return CREATE or ALTER, and the attributes that the role lacks."""
    roles = sa.table("pg_roles", sa.column("rolname"), *map(sa.column, _DENIED_ATTRIBUTES))
    query = sa.select(*(roles.c[name] for name in _DENIED_ATTRIBUTES)).where(roles.c.rolname == role)
    present = connection.execute(query).mappings().one_or_none()
    if present is None:
        return "CREATE", " ".join(["LOGIN", "NOINHERIT", *_DENIED_ATTRIBUTES.values()])
    return "ALTER", " ".join(
        ["LOGIN", "NOINHERIT", *(word for name, word in _DENIED_ATTRIBUTES.items() if present[name])]
    )


def _revoke_tables(connection: sa.Connection, role: str) -> list[str]:
    """Return statements that take the privileges on Airflow's own tables, if a person granted any."""
    query = sa.text(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
        " AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " AND (has_any_column_privilege(:role, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')"
        " OR has_table_privilege(:role, c.oid, 'DELETE, TRUNCATE, TRIGGER'))"
    )
    return [f"REVOKE ALL ON TABLE {table} FROM {_quote(role)}" for table in connection.scalars(query, {"role": role})]


def _execute(connection: sa.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement.replace("%", "%%"))


def _quote(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _get_sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
