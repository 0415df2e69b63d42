"""A database whose clock can be moved, so that an hour passes at once and clocks can disagree.

In that database a schema before ``pg_catalog`` on the search path holds a function ``now`` of its own. Everything that
asks the database for the time, defaults of columns included, gets the moved time; no process notices anything else.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from gmail_warmup.db.engine import autocommit

_SCHEMA = "moved"
_NOW = f"CREATE OR REPLACE FUNCTION {_SCHEMA}.now() RETURNS timestamptz STABLE"


class DatabaseClock:
    """The clock of one database.

    Args:
        engine: reaches that database, whose tables do not exist yet when `install` is called.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def install(self, database: str) -> None:
        """Put the function in its place; sessions that begin afterwards use it."""
        with self._engine.begin() as connection:
            for statement in (
                f"CREATE SCHEMA {_SCHEMA}",
                f"CREATE TABLE {_SCHEMA}.clock (ahead interval NOT NULL)",
                f"INSERT INTO {_SCHEMA}.clock VALUES (interval '0')",
                f"{_NOW} LANGUAGE sql AS $$ SELECT pg_catalog.now() + ahead FROM {_SCHEMA}.clock $$",
                f"ALTER DATABASE {database} SET search_path = {_SCHEMA}, pg_catalog",
            ):
                connection.exec_driver_sql(statement)

    def set(self, ahead: timedelta) -> None:
        """Let the database's clock be ahead of this machine's by so much from now on."""
        self._move(sa.text(f"UPDATE {_SCHEMA}.clock SET ahead = :by"), ahead)

    def stop_at(self, moment: datetime) -> None:
        """Let the database's clock show a moment, and stand still, for good.

        The moment becomes the function's own, in a language that a session compiles once, so that asking for it costs
        about as much as asking the real clock.
        """
        at = f"BEGIN RETURN timestamptz '{moment.isoformat()}'; END"
        with autocommit(self._engine) as connection:
            connection.exec_driver_sql(f"{_NOW} LANGUAGE plpgsql AS $$ {at} $$")

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self._move(sa.text(f"UPDATE {_SCHEMA}.clock SET ahead = ahead + :by"), by)

    def _move(self, statement: sa.TextClause, by: timedelta) -> None:
        with self._engine.begin() as connection:
            connection.execute(statement, {"by": by})
