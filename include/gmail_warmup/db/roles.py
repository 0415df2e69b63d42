"""The restricted role: it can use the schema ``gmail_warmup`` and nothing else of Airflow's database."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.db import models
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.functions import SIGNATURES

ROLE = "gmail_warmup"

APPEND_ONLY = frozenset({"grant_event"})
"""Tables whose rows the role may add and read, but neither change nor remove; a function removes old ones."""


def ensure_role(connection: sa.Connection, *, role: str, password: str) -> None:
    """Make the role if it is missing, set its password and give it its rights; may be repeated.

    Needs a connection that may create roles and owns the schema.
    """
    quote = connection.dialect.identifier_preparer.quote
    name, schema = quote(role), quote(SCHEMA)
    exists = connection.scalar(sa.text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)"), {"role": role})
    # DDL takes no parameters; the server itself quotes the password.
    literal = connection.scalar(sa.text("SELECT quote_literal(:password)"), {"password": password})
    verb = "ALTER" if exists else "CREATE"
    connection.exec_driver_sql(
        f"{verb} ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT PASSWORD {literal}".replace("%", "%%")
    )
    database = quote(str(connection.scalar(sa.text("SELECT current_database()"))))
    statements = [
        f"GRANT CONNECT ON DATABASE {database} TO {name}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {name}",
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        f"ALTER ROLE {name} IN DATABASE {database} SET search_path = {schema}",
    ]
    for table in models.Base.metadata.sorted_tables:
        rights = "SELECT, INSERT" if table.name in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
        statements.append(f"GRANT {rights} ON {schema}.{quote(table.name)} TO {name}")
    statements += [f"GRANT EXECUTE ON FUNCTION {signature} TO {name}" for signature in SIGNATURES]
    for statement in statements:
        connection.exec_driver_sql(statement)
