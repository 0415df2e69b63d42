"""The restricted role, on a real server: what it may do with each table, and that there is nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.models import Base
from gmail_warmup.db.roles import TABLE_PRIVILEGES, ensure_role

ROLE = "lodger"  # not the one that other tests of this server have made
TABLE_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
HISTORY = (
    "mailbox_removal",
    "grant_event",
    "health_event",
    "consent",
    "invite",
    "halt",
    "audit",
    "ledger",
    "mailbox",
    "oauth_grant",
)
"""What tells later who did what, or would be lost with its row."""


@pytest.fixture(scope="module")
def owner(postgres: str) -> sa.Engine:
    """Return a database as a managed service gives it: its owner may make roles and is no superuser."""
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE ROLE landlord LOGIN CREATEROLE PASSWORD 'x'")
        connection.exec_driver_sql("CREATE DATABASE managed OWNER landlord")
    url = sa.make_url(postgres).set(database="managed")
    # The server takes anybody who comes by its socket; so the test says who it is.
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args={"options": "-c role=landlord"})
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE public.connection (password text)")
        connection.exec_driver_sql("CREATE TABLE public.variable (val text)")
        Base.metadata.create_all(connection)
        ensure_role(connection, role=ROLE, password="it's 100% \\ secret")
    return engine


@pytest.fixture
def task(owner: sa.Engine) -> Iterator[sa.Connection]:
    """Yield a connection as tasks have one; whatever a test does is undone."""
    engine = sa.create_engine(owner.url, poolclass=sa.pool.NullPool, connect_args={"options": f"-c role={ROLE}"})
    with engine.connect() as connection:
        yield connection
        connection.rollback()


def held(connection: sa.Connection, table: str) -> set[str]:
    """Return the rights on a table, on all of its columns or on some of them as `UPDATE of (a, b)`."""
    found = set()
    for right in TABLE_RIGHTS:
        query = sa.text("SELECT has_table_privilege(:role, :table, :right)")
        if connection.scalar(query, {"role": ROLE, "table": f"{SCHEMA}.{table}", "right": right}):
            found.add(right)
    if "UPDATE" not in found:
        query = sa.text(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT"
            " attisdropped AND has_column_privilege(:role, attrelid, attnum, 'UPDATE') ORDER BY attname"
        )
        columns = list(connection.scalars(query, {"role": ROLE, "table": f"{SCHEMA}.{table}"}))
        found |= {f"UPDATE of ({', '.join(columns)})"} if columns else set()
    return found


def test_every_table_was_decided_on():
    assert sorted(TABLE_PRIVILEGES) == sorted(table.name for table in Base.metadata.sorted_tables)


@pytest.mark.parametrize("table", sorted(TABLE_PRIVILEGES))
def test_a_table_gives_what_was_decided_and_no_more(owner: sa.Engine, table: str):
    rights = TABLE_PRIVILEGES[table]
    expected = {"SELECT"} | ({"INSERT"} if rights.can_insert else set()) | ({"DELETE"} if rights.can_delete else set())
    if rights.can_update:
        expected.add(f"UPDATE of ({', '.join(sorted(rights.update_columns))})" if rights.update_columns else "UPDATE")
    with owner.connect() as connection:
        assert held(connection, table) == expected


@pytest.mark.parametrize("table", HISTORY)
def test_no_row_that_tells_what_was_done_can_be_removed(task: sa.Connection, table: str):
    with pytest.raises(DBAPIError, match="permission denied"):
        task.exec_driver_sql(f"DELETE FROM {SCHEMA}.{table}")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gmail_warmup.grant_event SET actor = 'somebody else'",
        "UPDATE gmail_warmup.health_event SET reason = 'none'",
        "UPDATE gmail_warmup.consent SET airflow_user = 'somebody else'",
        "UPDATE gmail_warmup.consent SET expires_at = 'infinity'",
        "UPDATE gmail_warmup.invite SET expires_at = 'infinity'",
        "UPDATE gmail_warmup.invite SET token_hash = 'x'",
        "UPDATE gmail_warmup.halt SET started_by = 'somebody else'",
        "SELECT * FROM public.connection",
        "SELECT * FROM public.variable",
        "INSERT INTO public.variable VALUES ('x')",
        "CREATE TABLE gmail_warmup.more (x int)",
        "CREATE TABLE public.more (x int)",
        "CREATE SCHEMA more",
        "ALTER TABLE gmail_warmup.mailbox ADD COLUMN more int",
        "DROP TABLE gmail_warmup.grant_event",
        "TRUNCATE gmail_warmup.grant_event",
        "ALTER TABLE gmail_warmup.ledger DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION gmail_warmup.count_claim() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
        "CREATE ROLE more",
        "GRANT landlord TO lodger",
        "ALTER ROLE lodger SUPERUSER",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_what_tasks_must_not_do_is_refused_by_the_database(task: sa.Connection, statement: str):
    with pytest.raises(DBAPIError, match=r"permission denied|must be owner|must have"):
        task.exec_driver_sql(statement)


def test_init_may_be_repeated_by_an_owner_who_is_no_superuser(owner: sa.Engine):
    with owner.begin() as connection:
        ensure_role(connection, role=ROLE, password="another")


@pytest.mark.parametrize(
    ("password", "rounds"), [("chosen by a person", 4096), (secrets.token_urlsafe(24), 1)], ids=["chosen", "random"]
)
def test_only_a_password_that_can_be_guessed_pays_for_rounds(
    owner: sa.Engine, postgres: str, password: str, rounds: int
):
    with owner.begin() as connection:
        ensure_role(connection, role=ROLE, password=password)
    admin = sa.create_engine(postgres, poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        stored = connection.scalar(sa.text(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{ROLE}'"))
    assert stored.startswith(f"SCRAM-SHA-256${rounds}:")


def test_rights_that_a_former_version_gave_are_taken_away(owner: sa.Engine):
    with owner.begin() as connection:
        connection.exec_driver_sql(f"GRANT ALL ON ALL TABLES IN SCHEMA {SCHEMA} TO {ROLE}")
        connection.exec_driver_sql(f"GRANT ALL ON SCHEMA {SCHEMA} TO {ROLE}")
        ensure_role(connection, role=ROLE, password="x")
    with owner.connect() as connection:
        assert held(connection, "grant_event") == {"SELECT", "INSERT"}
        assert not connection.scalar(sa.text(f"SELECT has_schema_privilege('{ROLE}', '{SCHEMA}', 'CREATE')"))


def test_a_partition_made_later_is_used_through_its_table_alone(owner: sa.Engine, task: sa.Connection):
    with owner.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {SCHEMA}.years (year int) PARTITION BY LIST (year)")
        connection.exec_driver_sql(f"GRANT SELECT, INSERT ON {SCHEMA}.years TO {ROLE}")
        connection.exec_driver_sql(f"CREATE TABLE {SCHEMA}.years_1 PARTITION OF {SCHEMA}.years FOR VALUES IN (1)")
    try:
        task.exec_driver_sql(f"INSERT INTO {SCHEMA}.years VALUES (1)")
        assert task.exec_driver_sql(f"SELECT year FROM {SCHEMA}.years").scalar() == 1
        with pytest.raises(DBAPIError, match="permission denied"):
            task.exec_driver_sql(f"DELETE FROM {SCHEMA}.years_1")
        task.rollback()
    finally:
        with owner.begin() as connection:
            connection.exec_driver_sql(f"DROP TABLE {SCHEMA}.years")


def test_tasks_delete_a_mailbox_only_by_the_function_of_a_removal(task: sa.Connection):
    for statement in (
        "INSERT INTO gmail_warmup.mailbox (address, kind, created_by) VALUES ('ada@warm.example', 'pool', 'x')",
        "INSERT INTO gmail_warmup.mailbox_removal (mailbox_id, requested_by, revoke_grant, trash_mail, step)"
        " SELECT id, 'x', false, false, 'erase' FROM gmail_warmup.mailbox",
        "UPDATE gmail_warmup.mailbox SET lease_until = now() + interval '1 hour',"
        " lease_holder = (SELECT 'removal:' || id || ':x' FROM gmail_warmup.mailbox_removal)",
        "SELECT gmail_warmup.erase_mailbox(id, 100) FROM gmail_warmup.mailbox_removal",
    ):
        task.exec_driver_sql(statement)
    assert task.exec_driver_sql("SELECT address FROM gmail_warmup.mailbox").all() == []
    assert task.exec_driver_sql("SELECT step FROM gmail_warmup.mailbox_removal").all() == [("done",)]
    with pytest.raises(DBAPIError, match="permission denied"):
        task.exec_driver_sql("UPDATE gmail_warmup.mailbox_removal SET receipt = '{}'")
