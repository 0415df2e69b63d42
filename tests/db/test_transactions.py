"""Every use of the database goes through one of the three context managers of ``db.engine``."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import InternalError

import gmail_warmup
from gmail_warmup.db.engine import autocommit, make_engine, read_transaction, write_transaction

PACKAGE = Path(gmail_warmup.__file__).parent
EXCEPTIONS = {PACKAGE / "db" / "engine.py", PACKAGE / "db" / "migrations" / "env.py"}

CREATE = sa.text("CREATE TABLE used AS SELECT 1 AS one")
DROP = sa.text("DROP TABLE used")
COUNT = sa.text("SELECT count(*) FROM used")


@pytest.fixture
def engine(postgres: str) -> Iterator[sa.Engine]:
    made = make_engine(postgres)
    yield made
    with made.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS used"))
    made.dispose()


def test_no_module_opens_a_connection_of_its_own():
    used = re.compile(r"engine(\(\))?\.(begin|connect|raw_connection)\(")
    files = [path for path in PACKAGE.rglob("*.py") if path not in EXCEPTIONS]
    assert [str(path.relative_to(PACKAGE)) for path in files if used.search(path.read_text(encoding="utf-8"))] == []


def test_a_read_transaction_rejects_a_write_and_the_next_transaction_does_not(engine: sa.Engine):
    with pytest.raises(InternalError, match="read-only transaction"), read_transaction(engine) as connection:
        connection.execute(CREATE)
    with write_transaction(engine) as connection:
        connection.execute(CREATE)
    with read_transaction(engine) as connection:
        assert connection.execute(COUNT).scalar_one() == 1
    with autocommit(engine) as connection:
        connection.execute(DROP)


def test_a_write_transaction_is_committed_or_rolled_back_as_a_whole(engine: sa.Engine):
    with write_transaction(engine) as connection:
        connection.execute(CREATE)
    with contextlib.suppress(ZeroDivisionError), write_transaction(engine) as connection:
        connection.execute(DROP)
        _ = 1 / 0
    with read_transaction(engine) as connection:
        assert connection.execute(COUNT).scalar_one() == 1


def test_a_snapshot_does_not_see_what_is_committed_meanwhile(engine: sa.Engine):
    with write_transaction(engine) as connection:
        connection.execute(CREATE)
    with read_transaction(engine, snapshot=True) as reader:
        assert reader.execute(COUNT).scalar_one() == 1
        with write_transaction(engine) as writer:
            writer.execute(sa.text("DELETE FROM used"))
        assert reader.execute(COUNT).scalar_one() == 1
    with read_transaction(engine) as reader:
        assert reader.execute(COUNT).scalar_one() == 0
