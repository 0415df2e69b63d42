"""Everything works behind PgBouncer in transaction mode.

`make test ARGS=--pgbouncer` runs every test through it; this file runs those that use PostgreSQL in different ways.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import sqlalchemy as sa

from support.pooler import pgbouncer

pytestmark = pytest.mark.e2e

TESTS = Path(__file__).parents[1]
STORIES = (
    "oauth/test_access_tokens.py",  # races of refreshes, single flight, compare and set
    "oauth/test_circuit_breaker.py",
    "alerts/test_compose.py",  # one composer of alerts at a time
    "audit/test_pipeline.py",
    "warmup/actions/test_mailbox_lease.py",
    "warmup/actions/test_actions.py",  # the whole life of a mail
    "web/api/test_mailboxes.py",  # pooled connections of the api-server
)


def test_the_stories_come_out_the_same() -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "--pgbouncer", "-p", "no:cacheprovider", "-n", "auto"]
    argv += ["-m", "not chaos and not e2e", *STORIES]
    done = subprocess.run(argv, cwd=TESTS, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.fixture(scope="module")
def through(postgres: str, pytestconfig: pytest.Config) -> Iterator[sa.Engine]:
    behind = nullcontext(postgres) if pytestconfig.getoption("pgbouncer") else pgbouncer(postgres)
    with behind as url:
        yield sa.create_engine(url, poolclass=sa.pool.NullPool)


def test_what_counts_on_a_session_is_found_out(through: sa.Engine) -> None:
    with through.connect() as one, through.connect() as other:
        pids = {connection.scalar(sa.text("SELECT pg_backend_pid()")) for connection in (one, other)}
        for connection in (one, other):
            connection.rollback()
        autocommit = one.execution_options(isolation_level="AUTOCOMMIT")
        autocommit.exec_driver_sql("SET lock_timeout = '77s'")
        found = {autocommit.scalar(sa.text("SHOW lock_timeout")) for _ in range(4)}
    assert len(pids) == 2
    assert found == {"77s", "0"}, "each transaction of a client would come to the same session"
