"""A PostgreSQL server for the tests that stops when the process that started it ends, even by SIGKILL."""

from __future__ import annotations

import ctypes
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from gmail_embedded.postgres import ADMIN, Postgres
from gmail_embedded.processes import ProcessManager
from gmail_embedded.runfolder import RunFolder

PREFIX = "gmail-tests-pg-"
"""How the name of a server's folder, in the folder for temporary files, begins."""

_PR_SET_PDEATHSIG = 1


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server; yield the URL of its database ``postgres``, which requires no password."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        Path(name).chmod(0o711)  # run by root, PostgreSQL and PgBouncer change to a user that must reach the socket
        folder = RunFolder(Path(name))
        folder.prepare()
        family = ProcessManager(folder.root, folder.mask)
        try:
            server = Postgres(folder, family, durable=False)
            child = server.start()
            _trust_local_users(server, folder)
            url = sa.URL.create(
                "postgresql+psycopg2", ADMIN, database="postgres", query={"host": str(server.socket_folder)}
            )
            family.wait_for(child, lambda: accepts(url), 60, "it still requires a password")
            yield url.render_as_string()
        finally:
            family.close()


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _trust_local_users(server: Postgres, folder: RunFolder) -> None:
    """Let everyone who reaches the socket in: checking a password costs milliseconds in every connection."""
    (folder.database / "pg_hba.conf").write_text("local all all trust\n")
    with _connect(sa.make_url(server.url)) as connection:
        connection.exec_driver_sql("SELECT pg_reload_conf()")


def _connect(url: sa.URL) -> sa.Connection:
    return sa.create_engine(url, poolclass=sa.pool.NullPool).connect()


def accepts(url: sa.URL) -> bool:
    """Return whether a server accepts a connection."""
    try:
        _connect(url).close()
    except sa.exc.OperationalError:
        return False
    return True
