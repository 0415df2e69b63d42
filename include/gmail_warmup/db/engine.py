"""Engines: how tasks, page and command line reach the schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from gmail_warmup.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection


def make_engine(url: str | sa.URL, *, pooled: bool = False) -> sa.Engine:
    """Make an engine that never logs parameters.

    Each task is a process with one or two short transactions, so it gets no pool; the api-server gets a small one.
    """
    common = {"hide_parameters": True, "echo": False}
    if pooled:
        return sa.create_engine(url, pool_size=5, max_overflow=5, pool_pre_ping=True, pool_recycle=1800, **common)
    return sa.create_engine(url, poolclass=NullPool, **common)


@contextmanager
def by_itself(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Connect for statements that stand by themselves, each a transaction of its own in one round trip, not three."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def url_of(connection: Connection) -> sa.URL:
    """Turn an Airflow Connection of type Postgres into a URL; its extras become parameters of libpq.

    Raises:
        ConfigurationError: if the Connection is not one to PostgreSQL.
    """
    if connection.conn_type not in ("postgres", "postgresql"):
        raise ConfigurationError(
            f"The Connection '{connection.conn_id}' has the type '{connection.conn_type}'; it must be 'postgres'."
        )
    extras = {key: str(value) for key, value in connection.extra_dejson.items() if isinstance(value, str | int)}
    return sa.URL.create(
        "postgresql+psycopg2",
        username=connection.login,
        password=connection.password,
        host=connection.host or None,
        port=connection.port,
        database=connection.schema,
        query=extras,
    )
