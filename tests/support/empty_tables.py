"""Empty the tables of the schema between two tests."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.db.base import SCHEMA
from gmail_warmup.db.models import Base

_TABLES = [str(table) for table in Base.metadata.sorted_tables]
_TRUNCATE = f"TRUNCATE {', '.join(_TABLES)} RESTART IDENTITY CASCADE"
# Ten times faster than TRUNCATE, which makes new files for every table and index; triggers and foreign keys are off.
_DELETE = (
    "SET LOCAL session_replication_role = replica;"
    + "".join(f"DELETE FROM {table};" for table in _TABLES)
    + "SELECT setval(format('%%I.%%I', schemaname, sequencename), 1, false) FROM pg_sequences"
    + f" WHERE schemaname = '{SCHEMA}' AND last_value IS NOT NULL"
)
_SIZE = f"SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = '{SCHEMA}'::regnamespace"
_SMALL_BYTES = 32_000_000


def empty_tables(engine: sa.Engine) -> None:
    """Delete every row and restart the sequences, as a superuser."""
    with engine.begin() as connection:
        is_small = connection.exec_driver_sql(_SIZE).scalar_one() < _SMALL_BYTES
        connection.exec_driver_sql(_DELETE if is_small else _TRUNCATE)
