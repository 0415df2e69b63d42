"""Search every column of every table for what a removed mailbox must not leave behind."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.db.base import SCHEMA

_COLUMNS = sa.text(
    "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, 2"
)


def find_columns_with(engine: sa.Engine, *needles: str) -> list[str]:
    """Return ``table.column: text`` for each text that stands in a column of any type, in upper or lower case."""
    found = []
    with engine.connect() as connection:
        for table, column in connection.execute(_COLUMNS, {"schema": SCHEMA}).all():
            for needle in needles:
                query = f'SELECT 1 FROM {SCHEMA}."{table}" WHERE strpos(lower("{column}"::text), lower(:needle)) > 0'
                if connection.execute(sa.text(f"{query} LIMIT 1"), {"needle": needle}).one_or_none():
                    found.append(f"{table}.{column}: {needle}")
    return found
