"""PgBouncer before the PostgreSQL of a session, for tests that everything works behind it."""

from __future__ import annotations

import pwd
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from gmail_embedded.pgbouncer import configuration, hand_over, program
from gmail_warmup.db.roles import ROLE

PORT = 6432  # of a socket in a folder of its own, so any number will do


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Run PgBouncer before the server of a URL, which listens on a socket and asks for no password.

    Yields the URL through it.
    """
    server = sa.make_url(url)
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder, host = Path(name), str(server.query["host"])
        options = {
            "listen_addr": "",
            "listen_port": str(PORT),
            "unix_socket_dir": name,
            "auth_type": "trust",
            "auth_file": str(folder / "users"),
            "logfile": str(folder / "log"),
        }
        (folder / "ini").write_text(configuration(f"host={host} port={server.port or 5432}", options))
        (folder / "users").write_text("".join(f'"{name}" ""\n' for name in (server.username, ROLE)))
        owner = pwd.getpwuid(Path(host).stat().st_uid).pw_name  # who can enter the folder of the socket
        user = hand_over([folder, folder / "ini", folder / "users"], owner)
        process = subprocess.Popen([program(), *user, "--quiet", str(folder / "ini")])
        try:
            through = server.set(host=None, port=PORT, query={"host": name})
            _wait(process, through, folder / "log")
            yield through.render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait(10)


def _wait(process: subprocess.Popen[bytes], url: sa.URL, log: Path) -> None:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    deadline = time.monotonic() + 20
    while True:
        try:
            engine.connect().close()
        except sa.exc.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PgBouncer does not answer: {error}\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
