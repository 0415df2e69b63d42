"""Run the migrations of the schema gmail_warmup on Airflow's own engine; loaded by Airflow's DB manager."""

from __future__ import annotations

from typing import Any

from alembic import context

from airflow import settings
from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.manager import VERSION_TABLE, GmailWarmupDBManager


def _include_name(name: str | None, kind: str, parents: Any) -> bool:
    """Limit the comparison to our schema, without the monthly partitions of the history."""
    if kind == "table" and name is not None and name.startswith("ledger_history_"):
        return False
    return name == SCHEMA if kind == "schema" else parents.get("schema_name") == SCHEMA


OPTIONS: dict[str, Any] = {
    "target_metadata": GmailWarmupDBManager.metadata,
    "version_table": VERSION_TABLE,
    "include_schemas": True,
    "include_name": _include_name,
    "compare_type": True,
    "compare_server_default": True,
}

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, **OPTIONS)
    with context.begin_transaction():
        context.run_migrations()
else:
    assert settings.engine is not None
    with settings.engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True, **OPTIONS)
        with context.begin_transaction():
            context.run_migrations()
