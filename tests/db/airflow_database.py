"""Walks the schema through Airflow's own database commands, in a process of its own; prints what it found as JSON."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

import sqlalchemy as sa
from airflow.models.connection import Connection
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from alembic import command
from alembic.util.exc import CommandError
from cryptography.fernet import Fernet

from airflow import settings
from gmail_warmup.airflow.bootstrap import initialize_installation
from gmail_warmup.airflow.encryption import load_cipher
from gmail_warmup.core.errors import EncryptionKeyError
from gmail_warmup.crypto import key_check
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.manager import GmailWarmupDBManager
from gmail_warmup.warmup.ledger import history

found = {}


def tables() -> list[str]:
    return sorted(sa.inspect(settings.engine).get_table_names(schema=SCHEMA))


def differences() -> str | None:
    """Compare models and database as ``alembic check`` does."""
    with create_session() as session:
        try:
            command.check(GmailWarmupDBManager(session).get_alembic_config())
        except CommandError as error:
            return str(error)
    return None


def functions() -> dict[str, str]:
    """Return the definitions of the functions and whether everybody may call them, to compare models and migrations."""
    query = sa.text(
        "SELECT p.proname, pg_get_functiondef(p.oid) || has_function_privilege('public', p.oid, 'EXECUTE')"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = :schema"
    )
    with settings.engine.begin() as connection:
        return dict(connection.execute(query, {"schema": SCHEMA}).tuples().all())


SCENE = (
    "INSERT INTO gmail_warmup.mailbox (address, kind, created_by) VALUES ('ada@warm.example', 'warmup', 't'),"
    " ('max@pool.example', 'pool', 't')",
    "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned)"
    " SELECT 1, date '2026-01-15' + 31 * n, 1 FROM generate_series(0, 3) n",
    "INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, slot, due_at, claimed_at, status,"
    " subject) SELECT 'f' || n, 1, 2, date '2026-01-15' + 31 * n, 1, now(), date '2026-01-15' + 31 * n, 'sent', 'x'"
    " FROM generate_series(0, 3) n",
    "INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, local_date, parent_id, turn, due_at, claimed_at,"
    " status, subject) SELECT 'r' || id, 2, 1, local_date, id, 2, now(), claimed_at, 'sent', 'x'"
    " FROM gmail_warmup.ledger",
)


def mails() -> list[list[str]]:
    """Return every mail, wherever it is, and what its day counted."""
    with settings.engine.begin() as connection:
        # Without what an older revision does not have, or names otherwise.
        query = "SELECT jsonb_strip_nulls(to_jsonb(l))::text FROM gmail_warmup.ledger l ORDER BY id"
        days = (
            "SELECT (mailbox_id, local_date, planned, claimed)::text FROM gmail_warmup.mailbox_day ORDER BY local_date"
        )
        return [list(connection.scalars(sa.text(statement))) for statement in (query, days)]


def history_there_and_back() -> None:
    """Put mails of four months into the ledger, move two of them on, and go back and forth over the revision."""
    with settings.engine.begin() as connection:
        for statement in SCENE:
            connection.execute(sa.text(statement))
    before = mails()
    until = datetime(2026, 3, 1, tzinfo=UTC)
    with settings.engine.begin() as connection:
        found["moved"] = history.move_mails(connection, after=0, until=until).mails
    found["months"] = sorted(set(tables()) - set(found["created"]))
    found["differences_with_months"] = differences()
    manager_does("downgrade", to_revision="0006")
    found["mails_after_downgrade"] = mails() == before
    manager_does("upgradedb", use_migration_files=True)
    found["mails_after_upgrade"] = mails() == before
    with settings.engine.begin() as connection:
        found["moved_again"] = history.move_mails(connection, after=0, until=until).mails


def manager_does(name: str, **arguments: object) -> None:
    with create_session() as session:
        getattr(GmailWarmupDBManager(session), name)(**arguments)


initdb()
found["created"] = tables()
found["differences_after_create"] = differences()
functions_after_create = functions()

CLIENT = {"GOOGLE_CLIENT_ID": "client-1.apps.example.com", "GOOGLE_CLIENT_SECRET": "GOCSPX-test-secret"}
connections = []
for _ in range(2):
    initialize_installation(CLIENT)
    with create_session() as session:
        rows = session.scalars(sa.select(Connection).order_by(Connection.conn_id))
        connections.append([(row.conn_id, row.conn_type, row.login, row.password, row.extra) for row in rows])
found["connections"] = [row[:3] for row in connections[0]]
found["same_after_a_second_init"] = connections[0] == connections[1]
with settings.engine.begin() as connection:
    query = sa.text(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'public' AND CASE WHEN c.relkind = 'S'"
        " THEN has_sequence_privilege('gmail_warmup_airflow_walk', c.oid, 'USAGE, SELECT, UPDATE')"
        " WHEN c.relkind IN ('r', 'p', 'v', 'm', 'f')"
        " THEN has_table_privilege('gmail_warmup_airflow_walk', c.oid,"
        " 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"
        " OR has_any_column_privilege('gmail_warmup_airflow_walk', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES') END"
    )
    found["open_to_the_role"] = list(connection.scalars(query))
    found["tables_of_airflow"] = len(sa.inspect(connection).get_table_names(schema="public"))

with settings.engine.begin() as connection:
    query = sa.text("SELECT ciphertext FROM gmail_warmup.canary")
    found["canary_fits"] = (
        load_cipher().decrypt(key_check.CANARY_OWNER, connection.execute(query).scalar_one()) == key_check.CANARY_TEXT
    )
    other = Fernet(Fernet.generate_key()).encrypt(b"x").decode()
    connection.execute(sa.text("UPDATE gmail_warmup.canary SET ciphertext = :other"), {"other": other})
try:
    initialize_installation(CLIENT | {"GOOGLE_CLIENT_ID": "client-2.apps.example.com"})
except EncryptionKeyError as error:
    found["init_with_another_key"] = str(error)
with create_session() as session:
    logins = session.scalars(sa.select(Connection.login).where(Connection.conn_id == "gmail_oauth_client"))
    found["client_after_it"] = logins.one()

manager_does("downgrade", to_revision="base")
found["after_downgrade"] = tables()
manager_does("upgradedb", use_migration_files=True)
found["migrated"] = tables()
found["differences_after_migration"] = differences()
found["same_functions"] = {name: functions().get(name) == code for name, code in functions_after_create.items()}
history_there_and_back()

json.dump(found, sys.stdout)
