"""The embedded PostgreSQL starts: in deep folders, in folders that its user cannot enter, after a crash."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from gmail_embedded.postgres import Postgres
from gmail_embedded.processes import ProcessManager, find_processes, stop_leftovers
from gmail_embedded.runfolder import RunFolder


@contextmanager
def server(root: Path) -> Iterator[tuple[Postgres, ProcessManager]]:
    folder = RunFolder(root)
    folder.lock()
    stop_leftovers(folder.root, folder.database)
    folder.prepare()
    family = ProcessManager(folder.root, folder.mask)
    postgres = Postgres(folder, family, durable=False)
    try:
        yield postgres, family
    finally:
        family.close()
        folder.unlock()
        if postgres.socket_folder.parent != folder.root and postgres.socket_folder.exists():
            postgres.socket_folder.rmdir()


def ask(url: str, question: str) -> object:
    with sa.create_engine(url, poolclass=sa.pool.NullPool).begin() as connection:
        result = connection.exec_driver_sql(question)
        return result.scalar() if result.returns_rows else None


def test_it_asks_for_a_password_and_keeps_what_was_initialised(tmp_path: Path) -> None:
    with server(tmp_path) as (postgres, _):
        postgres.start()
        (tmp_path / "initialised").touch()
        ask(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        wrong = postgres.url.replace(postgres._folder.secrets.database_password, "wrong")
        with pytest.raises(OperationalError, match="password authentication failed"):
            ask(wrong, "SELECT 1")
    assert find_processes(tmp_path, tmp_path / "postgres") == []

    with server(tmp_path) as (postgres, _):
        postgres.start()
        assert ask(postgres.url, "SELECT answer FROM kept") == 42


def test_a_database_that_was_never_initialised_is_made_anew(tmp_path: Path) -> None:
    for _ in range(2):
        with server(tmp_path) as (postgres, _):
            postgres.start()
            ask(postgres.url, "CREATE TABLE half_done ()")  # fails if it is there already


def test_a_deep_folder_and_one_that_only_its_owner_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    deep = closed / ("long" * 20) / "ünï côdé" / "run"
    with server(deep) as (postgres, _):
        postgres.start()
        assert ask(postgres.url, "SELECT current_database()") == "airflow"
    assert closed.stat().st_mode & 0o777 == 0o700, "nobody else may enter because of us"


def test_it_comes_back_after_a_crash(tmp_path: Path) -> None:
    with server(tmp_path) as (postgres, _):
        postgres.start()
        (tmp_path / "initialised").touch()
        ask(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        for pid in find_processes(tmp_path, tmp_path / "postgres"):
            os.kill(pid, signal.SIGKILL)
    with server(tmp_path) as (postgres, _):
        postgres.start()
        assert ask(postgres.url, "SELECT answer FROM kept") == 42
