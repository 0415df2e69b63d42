"""Upgrades a database that has several addresses of one Google mailbox; prints JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import sqlalchemy as sa
from airflow.utils.session import create_session
from alembic import command

from airflow import settings
from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.db.manager import GmailWarmupDBManager
from gmail_warmup.mailboxes import repository

GMAIL, GOOGLEMAIL = CONSUMER_DOMAINS

BEFORE = "0011"
DATA = f"""
INSERT INTO gmail_warmup.mailbox (address, kind, created_by) VALUES
    ('ada@{GMAIL}', 'pool', 'op'), ('a.da@{GMAIL}', 'pool', 'op'), ('ada+x@{GOOGLEMAIL}', 'warmup', 'op'),
    ('eve@{GMAIL}', 'pool', 'op'), ('e.ve@{GMAIL}', 'pool', 'op'), ('ada@example.com', 'pool', 'op'),
    ('a.da@example.com', 'pool', 'op');
UPDATE gmail_warmup.mailbox SET timezone = 'EET', display_name = E'Eve\\u2028 L\\u009b' WHERE address = 'eve@{GMAIL}';
UPDATE gmail_warmup.mailbox SET timezone = 'localtime', display_name = E'\\u202e' WHERE address = 'ada@example.com';
INSERT INTO gmail_warmup.oauth_grant (mailbox_id, state) SELECT id,
    CASE WHEN address = 'a.da@{GMAIL}' THEN 'active' ELSE 'needs_reauth' END FROM gmail_warmup.mailbox;
"""


def read_rows() -> list[dict[str, Any]]:
    query = "SELECT address, identity, duplicate_number, pause_reason FROM gmail_warmup.mailbox ORDER BY address"
    with settings.engine.begin() as connection:
        return [dict(row) for row in connection.execute(sa.text(query)).mappings()]


def main() -> None:
    with create_session() as session:
        alembic = GmailWarmupDBManager(session).get_alembic_config()
    command.upgrade(alembic, BEFORE)
    with settings.engine.begin() as connection:
        connection.exec_driver_sql(DATA)
    command.upgrade(alembic, "head")
    found: dict[str, Any] = {"upgraded": read_rows()}
    query = "SELECT address, timezone, display_name FROM gmail_warmup.mailbox WHERE timezone <> 'UTC' OR id = 6"
    with settings.engine.begin() as connection:
        found["values"] = sorted(tuple(row) for row in connection.execute(sa.text(query)))
    command.downgrade(alembic, BEFORE)
    command.upgrade(alembic, "head")
    found["again"] = read_rows()
    with settings.engine.begin() as connection:
        spellings = (f"e.ve@{GMAIL}", f"eve@{GMAIL}", f"ev.e@{GOOGLEMAIL}")
        found["reached"] = [repository.get_mailbox(connection, address).address for address in spellings]
        duplicate = [f"e.ve@{GMAIL}"]
        found["resumed"] = [repository.resume_mailboxes(connection, duplicate, actor="op")]
        connection.exec_driver_sql(f"DELETE FROM gmail_warmup.mailbox WHERE address = 'eve@{GMAIL}'")
        found["resumed"].append(repository.resume_mailboxes(connection, duplicate, actor="op"))
    json.dump(found, sys.stdout)


main()
