"""The engine of a task: one connection that is kept, given up when it ended, and never shared with another process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.db import engine as engine_module
from gmail_warmup.db.engine import autocommit, make_engine


@pytest.fixture
def engine(postgres: str) -> Iterator[sa.Engine]:
    made = make_engine(postgres)
    yield made
    made.dispose()


def used(engine: sa.Engine) -> Any:
    """Return the driver's connection that a transaction goes over."""
    with engine.begin() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
        return connection.connection.driver_connection


def test_all_that_a_task_asks_goes_over_one_connection(engine: sa.Engine):
    first = used(engine)
    with autocommit(engine) as connection:
        assert connection.connection.driver_connection is first
    assert used(engine) is first


def test_a_statement_by_itself_is_kept_and_leaves_nothing_in_the_session(engine: sa.Engine):
    with autocommit(engine) as connection:
        connection.execute(sa.text("CREATE TABLE by_itself AS SELECT 1 AS one"))
    with engine.connect() as connection:
        connection.execute(sa.text("DROP TABLE by_itself"))  # not committed: a transaction is one again
    with engine.begin() as connection:
        assert connection.execute(sa.text("SELECT one FROM by_itself")).scalar_one() == 1
        changed = connection.scalars(sa.text("SELECT name FROM pg_settings WHERE source = 'session'")).all()
        connection.execute(sa.text("DROP TABLE by_itself"))
    # PgBouncer keeps the time zone of each client.
    assert set(changed) <= {"TimeZone"}, "PgBouncer would hand it on to somebody else"


def test_a_connection_that_ended_while_it_rested_is_replaced(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_module, "_TRUSTED_SECONDS", 0.0)
    first = used(engine)
    with socket.socket(fileno=os.dup(first.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    assert used(engine) is not first


def test_a_forked_process_has_a_connection_of_its_own(engine: sa.Engine):
    first = used(engine)
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if used(engine) is not first else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert used(engine) is first


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Tokyo", "Etc/GMT+12", "UTC"])
@pytest.mark.parametrize("pooled", [False, True])
def test_times_are_read_in_utc_whatever_the_server_uses(postgres: str, zone: str, pooled: bool):
    url = sa.make_url(postgres).update_query_dict({"options": f"-c timezone={zone}"})
    made = make_engine(url, pooled=pooled)
    with made.begin() as connection:
        first, last = connection.execute(
            sa.text("SELECT '1900-01-02 00:00+00'::timestamptz, '2999-12-31 23:59:59+00'::timestamptz")
        ).one()
    made.dispose()
    assert (first.isoformat(), last.isoformat()) == ("1900-01-02T00:00:00+00:00", "2999-12-31T23:59:59+00:00")
