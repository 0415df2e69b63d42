"""The restricted role: it can use the schema ``gmail_warmup`` and nothing else of Airflow's database."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from gmail_warmup.db import models
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.sql_functions import GRANTED_FUNCTIONS

ROLE = "gmail_warmup"


@dataclass(frozen=True, kw_only=True)
class TablePrivileges:
    """What the role may do with the rows of a table beside reading them.

    Attributes:
        add: whether it may add rows.
        change: whether it may change rows.
        only: the columns that may be changed, where that is not all of them.
        remove: whether it may remove rows.
    """

    can_insert: bool = True
    can_update: bool = True
    update_columns: tuple[str, ...] = ()
    can_delete: bool = False

    def to_sql(self) -> str:
        """Return the privileges as GRANT names them."""
        found = ["SELECT", "INSERT"] if self.can_insert else ["SELECT"]
        if self.can_update:
            found.append(f"UPDATE ({', '.join(self.update_columns)})" if self.update_columns else "UPDATE")
        return ", ".join([*found, "DELETE"] if self.can_delete else found)


TABLE_PRIVILEGES = {
    "alert": TablePrivileges(),
    "alert_item": TablePrivileges(update_columns=("alert_id",), can_delete=True),
    "audit": TablePrivileges(update_columns=("finished_at", "report")),
    "breaker": TablePrivileges(),
    "canary": TablePrivileges(update_columns=("ciphertext",)),
    "client_in_use": TablePrivileges(update_columns=("ciphertext",)),
    "consent": TablePrivileges(update_columns=("code_verifier", "used_at", "outcome")),
    "domain_check": TablePrivileges(can_delete=True),
    "grant_event": TablePrivileges(can_update=False),
    "halt": TablePrivileges(update_columns=("ended_at", "ended_by")),
    "health_event": TablePrivileges(update_columns=("alert_id",)),
    "incident": TablePrivileges(update_columns=("reason", "detail", "closed_at", "opened_alert_id", "closed_alert_id")),
    "invite": TablePrivileges(update_columns=("used_at", "revoked_at", "revoked_by")),
    "ledger": TablePrivileges(),
    "ledger_history": TablePrivileges(can_insert=False, can_update=False),
    "mailbox": TablePrivileges(),
    "mailbox_day": TablePrivileges(),
    "oauth_grant": TablePrivileges(),
    "plan_basis": TablePrivileges(),
}
"""What tasks, page and commands do with each table, and no more: histories only grow, and nobody removes a mailbox.

What is old moves and goes by functions of the schema's owner, see ``functions``. A partition needs no entry: its rows
are reached through its table, under the rights of that.
"""

_RANDOM_PASSWORD_LENGTH = 32
"""Characters of a password as ``gmail-warmup init`` draws it: 192 random bits.

SCRAM's 4,096 rounds slow down who guesses a password that a person chose. For one of these they only cost every task
2 ms, because each opens a connection of its own.
"""

# What the role never has. Taking some of them away takes a superuser, so nothing is altered that is as it must be.
_DENIED_ATTRIBUTES = {
    "rolsuper": "NOSUPERUSER",
    "rolcreatedb": "NOCREATEDB",
    "rolcreaterole": "NOCREATEROLE",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}


def ensure_role(connection: sa.Connection, *, role: str, password: str) -> None:
    """Make the role if it is missing, set its password and give it its rights, and no others; may be repeated.

    Needs a connection that may create roles and owns the schema.
    """
    quote = connection.dialect.identifier_preparer.quote
    name, schema = quote(role), quote(SCHEMA)
    verb, attributes = _build_attributes(connection, role)
    if len(password) >= _RANDOM_PASSWORD_LENGTH:
        # PostgreSQL 16 and newer; an older one keeps its rounds.
        one = "SELECT set_config(name, '1', true) FROM pg_settings WHERE name = 'scram_iterations'"
        connection.exec_driver_sql(one)
    # DDL takes no parameters; the server itself quotes the password.
    literal = connection.scalar(sa.text("SELECT quote_literal(:password)"), {"password": password})
    connection.exec_driver_sql(f"{verb} ROLE {name} {attributes} PASSWORD {literal}".replace("%", "%%"))
    database = quote(str(connection.scalar(sa.text("SELECT current_database()"))))
    statements = [
        f"GRANT CONNECT ON DATABASE {database} TO {name}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {name}",
        f"REVOKE ALL ON SCHEMA {schema} FROM {name}",
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        f"ALTER ROLE {name} IN DATABASE {database} SET search_path = {schema}",
    ]
    for table in models.Base.metadata.sorted_tables:
        statements.append(f"GRANT {TABLE_PRIVILEGES[table.name].to_sql()} ON {schema}.{quote(table.name)} TO {name}")
    statements += [f"GRANT EXECUTE ON FUNCTION {signature} TO {name}" for signature in GRANTED_FUNCTIONS]
    for statement in statements:
        connection.exec_driver_sql(statement)


def _build_attributes(connection: sa.Connection, role: str) -> tuple[str, str]:
    """Return the verb and what has to be said of the role's attributes."""
    roles = sa.table("pg_roles", sa.column("rolname"), *map(sa.column, _DENIED_ATTRIBUTES))
    query = sa.select(*(roles.c[name] for name in _DENIED_ATTRIBUTES)).where(roles.c.rolname == role)
    known = connection.execute(query).mappings().one_or_none()
    if known is None:
        return "CREATE", " ".join(["LOGIN", "NOINHERIT", *_DENIED_ATTRIBUTES.values()])
    return "ALTER", " ".join(
        ["LOGIN", "NOINHERIT", *(word for name, word in _DENIED_ATTRIBUTES.items() if known[name])]
    )
