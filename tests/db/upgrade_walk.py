"""Walks a database made by the first migration, with data in every table, up to the newest and back; prints JSON.

A process of its own, because the migrations run on the engine of Airflow's settings.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import sqlalchemy as sa
from airflow.utils.session import create_session
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from airflow import settings
from gmail_warmup.db.base import SCHEMA, metadata
from gmail_warmup.db.manager import GmailWarmupDBManager

VERSIONS = "gmail_warmup.db.migrations.versions"
FIRST_DATA = """
INSERT INTO gmail_warmup.mailbox (address, kind, display_name, daily_target, label_id, created_by, paused_at, paused_by,
    pause_reason, deferred_until, deferred_reason, lease_holder, lease_until) VALUES
    ('ada@warm.example', 'warmup', 'Ada', 40, 'Label_1', 'op', NULL, NULL, NULL, now(), 'sending_limit', 'h', now()),
    ('pia@pool.example', 'pool', NULL, 50, NULL, 'op', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('max@pool.example', 'pool', 'Max', 10, NULL, 'op', now(), 'op', 'holidays', NULL, NULL, NULL, NULL);
INSERT INTO gmail_warmup.oauth_grant (mailbox_id, client_id, refresh_token, refresh_expires_at, access_token,
    access_expires_at, scopes, state, reason, next_probe_at, granted_at, refreshed_at, version) VALUES
    (1, 'client-1', 'ciphertext-1', now(), 'ciphertext-2', now(), '{scope}', 'active', NULL, NULL, now(), now(), 7),
    (2, NULL, 'ciphertext-3', NULL, NULL, NULL, '{}', 'suspect', 'grant_refused', now(), now(), NULL, 1),
    (3, NULL, NULL, NULL, NULL, NULL, '{}', 'needs_reauth', 'expired_or_revoked', NULL, NULL, NULL, 0);
INSERT INTO gmail_warmup.grant_event (mailbox_id, actor, from_state, to_state, reason, dag_id, run_id) VALUES
    (1, 'op', NULL, 'active', 'consent', NULL, NULL),
    (3, 'dag:gmail_token_health', 'active', 'needs_reauth', 'expired_or_revoked', 'gmail_token_health', 'run-1');
INSERT INTO gmail_warmup.consent (state_hash, purpose, address, mailbox_id, code_verifier, airflow_user, browser_hash,
    expires_at, used_at, outcome) VALUES
    ('hash-1', 'reauth', 'max@pool.example', 3, 'ciphertext-4', 'op', 'browser', now(), NULL, NULL),
    ('hash-2', 'add', 'new@warm.example', NULL, 'ciphertext-5', 'op', 'browser', now(), now(), 'granted');
INSERT INTO gmail_warmup.ledger (token, sender_id, recipient_id, parent_id, turn, local_date, slot, due_at, status,
    failure, draft_id, sent_at, subject, rfc_message_id, gmail_id, thread_id, placement, placed_at, rescued_at, read_at,
    replied_at) VALUES
    ('token-1', 1, 2, NULL, 1, '2026-11-02', 0, now(), 'sent', NULL, 'd1', now(), 'Hello', '<1@x>', 'g1', 't1', 'spam',
        now(), now(), now(), now()),
    ('token-2', 2, 1, 1, 2, '2026-11-02', NULL, now(), 'sent', NULL, 'd2', now(), 'Hello', '<2@x>', 'g2', 't1', 'inbox',
        now(), NULL, NULL, NULL),
    ('token-3', 1, 3, NULL, 1, '2026-11-02', 1, now(), 'failed', 'badRequest', NULL, NULL, 'Notes', NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL),
    ('token-4', 1, 2, NULL, 1, '2026-11-03', 0, now(), 'drafted', NULL, 'd4', NULL, 'Plans', NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL);
UPDATE gmail_warmup.ledger SET claimed_at = now() - interval '60 days';
"""
"""What the first release could have stored: sent, answered, refused and begun mails; grants in several states."""

Rows = dict[str, list[list[str]]]


def config() -> Config:
    with create_session() as session:
        return GmailWarmupDBManager(session).get_alembic_config()


def tables() -> list[str]:
    """Return the tables; months are parts of one."""
    found = sa.inspect(settings.engine).get_table_names(schema=SCHEMA)
    return [name for name in found if not name.startswith("ledger_history_")]


def columns() -> dict[str, list[str]]:
    inspector = sa.inspect(settings.engine)
    return {table: [column["name"] for column in inspector.get_columns(table, SCHEMA)] for table in tables()}


RENAMED = {(table, old): new for table, old, new in import_module(f"{VERSIONS}.0010_clear_names")._COLUMNS}
"""Columns of the first release, and the names that a later revision gives them."""


def rows(of: dict[str, list[str]]) -> Rows:
    """Return every row of these tables and columns, as text, in an order of their own; renamed columns are followed."""
    found, there, present = {}, tables(), columns()
    with settings.engine.begin() as connection:
        for table, names in of.items():
            names = [name if name in present[table] else RENAMED[table, name] for name in names]
            listed = ", ".join(f'"{name}"::text' for name in names)
            # Where there is a history, mails that are done with have moved there.
            parts = [part for part in (table, f"{table}_history") if part in there]
            everything = " UNION ALL ".join(f"SELECT {listed} FROM {SCHEMA}.{part}" for part in parts)
            query = sa.text(f"{everything} ORDER BY {', '.join(map(str, range(1, len(names) + 1)))}")
            found[table] = [[str(value) for value in row] for row in connection.execute(query)]
    return found


def fill(connection: sa.Connection, table: sa.Table) -> None:
    """Put one row into a table, with whatever its columns and checks allow."""
    values = {
        column.name: value for column in table.columns if (value := any_value(connection, table, column)) is not None
    }
    connection.execute(sa.insert(table).values(values))


_KINDS: dict[type[sa.types.TypeEngine[Any]], Any] = {
    sa.Boolean: True, sa.Integer: 1, sa.Float: 1.0, sa.Date: sa.func.current_date(), sa.DateTime: sa.func.now(),
    sa.JSON: {}, sa.ARRAY: [], sa.Text: "x",
}  # fmt: skip


def any_value(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> Any:
    if column.computed is not None or column.identity is not None or column.server_default is not None:
        return None
    if column.foreign_keys:
        target = next(iter(column.foreign_keys)).column
        return connection.scalar(sa.select(sa.func.min(target)))
    checks = " ".join(str(each.sqltext) for each in table.constraints if isinstance(each, sa.CheckConstraint))
    if allowed := re.search(rf"\b{column.name} IN \('([^']+)'", checks):
        return allowed[1]
    return next(value for kind, value in _KINDS.items() if isinstance(column.type, kind))


def differences(alembic: Config) -> str | None:
    try:
        command.check(alembic)
    except CommandError as error:
        return str(error)
    return None


def revisions(alembic: Config) -> Iterator[str]:
    """Yield every revision, the first one first, whatever there are."""
    return reversed([script.revision for script in ScriptDirectory.from_config(alembic).walk_revisions()])


def main() -> None:
    alembic = config()
    first, *later = revisions(alembic)
    command.upgrade(alembic, first)
    with settings.engine.begin() as connection:
        connection.exec_driver_sql(FIRST_DATA)
    kept = columns()
    before = rows(kept)
    found: dict[str, Any] = {
        "revisions": [first, *later],
        "empty": [name for name, found in before.items() if not found],
    }
    found["changed_going_up"] = [revision for revision in later if up(alembic, revision, kept) != before]
    found["differences_at_the_newest"] = differences(alembic)
    with settings.engine.begin() as connection:
        connection.exec_driver_sql("SELECT gmail_warmup.move_mails(0, now(), 100)")
        for table in metadata.sorted_tables:
            if not connection.scalar(sa.select(sa.func.count()).select_from(table)):
                fill(connection, table)
    found["unfilled"] = [name for name, stored in rows(columns()).items() if not stored]
    down = reversed([first, *later[:-1]])
    found["changed_going_down"] = [revision for revision in down if back(alembic, revision, kept) != before]
    found["columns_left"] = columns() == kept
    command.upgrade(alembic, "head")
    found["kept_going_up_again"] = rows(kept) == before
    found["differences_in_the_end"] = differences(alembic)
    json.dump(found, sys.stdout)


def up(alembic: Config, revision: str, kept: dict[str, list[str]]) -> Rows:
    command.upgrade(alembic, revision)
    return rows(kept)


def back(alembic: Config, revision: str, kept: dict[str, list[str]]) -> Rows:
    command.downgrade(alembic, revision)
    return rows(kept)


main()
