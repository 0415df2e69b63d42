"""Engines and transactions: the only way to the database.

Use one of three context managers per use; never ``engine.begin()`` or ``engine.connect()``:

- ``read_transaction(engine)`` for SELECTs. PostgreSQL rejects a write in it.
- ``write_transaction(engine)`` for statements that have to take effect together: committed at the end of the block,
  rolled back if it raises.
- ``autocommit(engine)`` for statements that are independent of each other, such as a single one. Each is its own
  transaction and costs one round trip instead of three.

A transaction that locks rows of several mailboxes follows the order of ``db.locks``, and its function is decorated with
``retry_conflict``.
"""

from __future__ import annotations

import functools
import logging
import os
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, DisconnectionError

from gmail_warmup.core.errors import DatabaseNotReadyError
from gmail_warmup.db.bounded_times import bound_times

log = logging.getLogger(__name__)

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

TIME_ZONE = "UTC"
"""The time zone of every connection."""

_TRUSTED_SECONDS = 1.0
"""A connection that was used within this time is taken to be alive; after a longer pause it is pinged."""


def require_postgresql(backend: str) -> None:
    """Raise DatabaseNotReadyError if Airflow's database is of another kind."""
    if backend != "postgresql":
        raise DatabaseNotReadyError(
            f"gmail-warmup needs PostgreSQL, but Airflow's database is {backend}; nothing was changed. Set "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN to postgresql+psycopg2://USER:PASSWORD@HOST/DATABASE"
        )


def make_engine(url: str | sa.URL, *, pooled: bool = False) -> sa.Engine:
    """Make an engine that never logs parameters.

    A task keeps one connection for its whole run, since opening one costs more than all of its statements; the
    api-server keeps a few. No state of a session outlives a transaction, so PgBouncer may be in between.
    """
    # The lookup of the type hstore would cost each new connection a round trip.
    common = {"hide_parameters": True, "echo": False, "use_native_hstore": False}
    if pooled:
        engine = sa.create_engine(url, pool_size=5, max_overflow=5, pool_pre_ping=True, pool_recycle=1800, **common)
        _set_up_connections(engine)
        return engine
    engine = sa.create_engine(url, pool_size=1, max_overflow=-1, **common)
    _set_up_connections(engine)
    _ping_idle_connection(engine)
    _live_engines.add(engine)
    return engine


def _set_up_connections(engine: sa.Engine) -> None:
    sa.event.listen(engine, "connect", bound_times)
    _set_time_zone(engine)


def _set_time_zone(engine: sa.Engine) -> None:
    """Read times in UTC: in another zone the first and the last years cannot be represented in Python.

    The role of the package has this zone already, so that its connections need no further round trip. PgBouncer keeps
    the setting of each client.
    """

    @sa.event.listens_for(engine, "connect")
    def set_time_zone(connection: Any, _: Any) -> None:
        if getattr(connection, "get_parameter_status", None) is None:  # another database, of a previous system
            return
        if connection.get_parameter_status("TimeZone") not in (TIME_ZONE, f"Etc/{TIME_ZONE}"):
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"SET timezone TO '{TIME_ZONE}'")
            connection.autocommit = False


def _ping_idle_connection(engine: sa.Engine) -> None:
    """Ping a kept connection where it may have been closed: after a call of Gmail, not between two statements."""

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
            raise DisconnectionError from None  # SQLAlchemy opens another connection


_live_engines: weakref.WeakSet[sa.Engine] = weakref.WeakSet()


def _dispose_after_fork() -> None:
    """Make a forked process open its own connections: two processes on one would read each other's results."""
    for engine in _live_engines:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_dispose_after_fork)


def read_transaction(engine: sa.Engine, *, snapshot: bool = False) -> AbstractContextManager[sa.Connection]:
    """Open a read-only transaction, which costs no further round trip.

    Args:
        snapshot: whether all statements see the database as it was at the first one.
    """
    level: Any = {"isolation_level": "REPEATABLE READ"} if snapshot else {}
    return engine.connect().execution_options(postgresql_readonly=True, **level)


def write_transaction(engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
    """Open a transaction that is committed at the end of the block."""
    return engine.begin()


_CONFLICTS = {"40P01": "deadlock", "40001": "serialization failure"}
"""SQLSTATE of the errors with which PostgreSQL cancels a transaction because of another one."""


def retry_conflict(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Call the function once more if PostgreSQL cancels its transaction because of another one.

    The function opens one write transaction and has no other effect, so the cancelled call has changed nothing.
    """

    @functools.wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        except DBAPIError as error:
            conflict = _CONFLICTS.get(getattr(error.orig, "pgcode", None) or "")
            if conflict is None:
                raise
            log.warning("A transaction of %s was cancelled (%s) and is repeated once", function.__qualname__, conflict)
        return function(*args, **kwargs)

    return call


@contextmanager
def autocommit(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection on which each statement is its own transaction."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        # The driver's own switch: SQLAlchemy's would set the isolation level of the session, which costs the round
        # trip that it saves and outlives the block.
        before, driver.autocommit = driver.autocommit, True
        try:
            yield connection
        finally:
            if not driver.closed:
                driver.autocommit = before
