"""The DB manager through which ``airflow db migrate`` creates and upgrades the schema.

Airflow itself loads this module and ``migrations/env.py``. No other module below ``airflow/`` imports Airflow.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from airflow.utils.db_manager import BaseDBManager
from sqlalchemy import MetaData, make_url, text

from airflow import settings
from gmail_warmup.core.errors import DatabaseNotReadyError
from gmail_warmup.db import models  # noqa: F401  registers the tables on the metadata
from gmail_warmup.db.base import SCHEMA, metadata
from gmail_warmup.db.engine import require_postgresql

_HERE = Path(__file__).resolve().parent

VERSION_TABLE = "alembic_version_gmail_warmup"


class _PostgresMetadata:
    """The tables. Airflow reads them before it changes a database, also before it creates its own tables."""

    def __get__(self, manager: BaseDBManager | None, _: type[BaseDBManager]) -> MetaData:
        """Return the tables, or end the command with one sentence if the database is not PostgreSQL."""
        url = manager.session.get_bind().engine.url if manager else make_url(str(settings.SQL_ALCHEMY_CONN))
        try:
            require_postgresql(url.get_backend_name())
        except DatabaseNotReadyError as error:
            sys.exit(str(error))  # Airflow would show another exception with its traceback
        return metadata


class GmailWarmupDBManager(BaseDBManager):
    """Create, upgrade, downgrade and drop the schema ``gmail_warmup``.

    The version table is in Airflow's default schema, where the base class expects it.
    """

    metadata = _PostgresMetadata()
    version_table_name = VERSION_TABLE
    migration_dir = str(_HERE / "migrations")
    alembic_file = str(_HERE / "alembic.ini")
    supports_table_dropping = True

    def drop_tables(self, connection: Any) -> None:
        """Drop the tables and the schema, for ``airflow db reset``."""
        super().drop_tables(connection)  # type: ignore[no-untyped-call]
        # Without CASCADE: objects of others in the schema are kept.
        empty = connection.scalar(
            text(
                "SELECT NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " WHERE n.nspname = :s)"
            ),
            {"s": SCHEMA},
        )
        if empty:
            connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA}"))

    def downgrade(self, to_revision: str, from_revision: str | None = None, show_sql_only: bool = False) -> None:
        """Downgrade to a revision; ``base`` removes every table."""
        from alembic import command

        target = f"{from_revision}:{to_revision}" if show_sql_only and from_revision else to_revision
        config = self.get_alembic_config()  # type: ignore[no-untyped-call]
        command.downgrade(config, revision=target, sql=show_sql_only)
