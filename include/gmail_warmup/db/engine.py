"""Engines: how tasks, page and command line reach the schema."""

from __future__ import annotations

import json
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DisconnectionError

from gmail_warmup.core.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Connection


_TRUSTED_SECONDS = 1.0
"""For so long after its last use a connection is taken to be alive; afterwards it is asked."""


def make_engine(url: str | sa.URL, *, pooled: bool = False) -> sa.Engine:
    """Make an engine that never logs parameters.

    A task keeps one connection as long as it lives, since opening one costs more than all of its statements; the
    api-server keeps a few. Nothing is left in a session between two transactions, so PgBouncer may stand in between.
    """
    # Looking for the type hstore would cost each new connection a round trip.
    common = {"hide_parameters": True, "echo": False, "use_native_hstore": False}
    if pooled:
        return sa.create_engine(url, pool_size=5, max_overflow=5, pool_pre_ping=True, pool_recycle=1800, **common)
    engine = sa.create_engine(url, pool_size=1, max_overflow=-1, **common)
    _ping_idle_connection(engine)
    _live_engines.add(engine)
    return engine


def _ping_idle_connection(engine: sa.Engine) -> None:
    """Ask a kept connection whether it is alive where it may have ended: between two calls of Gmail, not statements."""

    @sa.event.listens_for(engine, "checkin")
    def record_last_use(_: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @sa.event.listens_for(engine, "checkout")
    def ping_if_idle(connection: Any, record: Any, _: Any) -> None:
        if time.monotonic() - record.info.get("used_at", time.monotonic()) < _TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise DisconnectionError from None  # another one is opened


_live_engines: weakref.WeakSet[sa.Engine] = weakref.WeakSet()


def _dispose_after_fork() -> None:
    """Let a forked process open connections of its own: two on one would read each other's answers."""
    for engine in _live_engines:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_dispose_after_fork)


@contextmanager
def connect_autocommit(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Connect for statements that stand by themselves, each a transaction of its own in one round trip, not three."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        # The driver's own switch: SQLAlchemy's would name the isolation level to the server, which costs what it saves
        # and stays behind in the session.
        before, driver.autocommit = driver.autocommit, True
        try:
            yield connection
        finally:
            if not driver.closed:
                driver.autocommit = before


def build_url(connection: Connection) -> sa.URL:
    """Turn an Airflow Connection of type Postgres into a URL; its extras become parameters of libpq.

    Raises:
        ConfigurationError: if the Connection is not one to PostgreSQL, or its extra is malformed.
    """
    if connection.conn_type not in ("postgres", "postgresql"):
        raise ConfigurationError(
            f"The Connection '{connection.conn_id}' has the type '{connection.conn_type}'; it must be 'postgres'."
        )
    try:
        # Not `extra_dejson`: it tells Airflow's supervisor about secrets that it has been told about already.
        extra = dict(json.loads(connection.extra or "{}"))
    except (ValueError, TypeError):
        raise ConfigurationError(
            f"The extra of the Connection '{connection.conn_id}' is not a JSON object. Correct it in Airflow, "
            "under Admin, Connections."
        ) from None
    extras = {key: str(value) for key, value in extra.items() if isinstance(value, str | int)}
    return sa.URL.create(
        "postgresql+psycopg2",
        username=connection.login,
        password=connection.password,
        host=connection.host or None,
        port=connection.port,
        database=connection.schema,
        query=extras,
    )
