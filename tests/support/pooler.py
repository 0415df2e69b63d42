"""PgBouncer in front of the PostgreSQL of a test session."""

from __future__ import annotations

import pwd
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from gmail_embedded.pgbouncer import build_configuration, change_owner, find_pgbouncer
from gmail_embedded.processes import Command, ProcessManager
from support.postgres_server import accepts

PORT = 6432  # of a socket in a separate folder, so any number works


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Run PgBouncer in front of a server that listens on a socket and requires no password.

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
            "auth_user": str(server.username),
            "auth_query": "SELECT usename, passwd FROM pg_shadow WHERE usename = $1",
            "logfile": str(folder / "log"),
        }
        (folder / "ini").write_text(build_configuration(f"host={host} port={server.port or 5432}", options))
        (folder / "users").write_text(f'"{server.username}" ""\n')
        owner = pwd.getpwuid(Path(host).stat().st_uid).pw_name  # a user that can enter the folder of the socket
        user = change_owner([folder, folder / "ini", folder / "users"], owner)
        through = server.set(host=None, port=PORT, query={"host": name})
        family = ProcessManager(folder, str)
        command = Command(
            name="pgbouncer", argv=[find_pgbouncer(), *user, "--quiet", str(folder / "ini")], environment={},
            log=folder / "output", cwd=folder, service=True, stop_signal=signal.SIGQUIT,  # SIGTERM waits for clients
        )  # fmt: skip
        try:
            family.wait_for(family.start(command), lambda: accepts(through), 60, "it does not answer")
            yield through.render_as_string(hide_password=False)
        finally:
            family.close()
