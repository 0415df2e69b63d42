"""PgBouncer in transaction mode before a PostgreSQL, for tests that everything works behind it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

PORT = 6432  # of a socket in a folder of its own, so any number will do
_CONFIGURATION = """
[databases]
* = host={host} port={port}

[pgbouncer]
pool_mode = transaction
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
max_client_conn = 500
default_pool_size = 60
# Each transaction of a client on another server connection: whatever counts on its session is found out.
server_round_robin = 1
server_reset_query =
logfile = {folder}/log
"""


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Run PgBouncer before the server of a URL, which listens on a socket and asks for no password.

    Yields the URL through it.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "PgBouncer is missing. Install it: apt-get install pgbouncer"
    server = sa.make_url(url)
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        host, port = str(server.query["host"]), server.port or 5432
        (folder / "ini").write_text(_CONFIGURATION.format(folder=folder, host=host, port=port))
        (folder / "users").write_text(f'"{server.username}" ""\n')
        command = [program, "--quiet", str(folder / "ini")]
        if os.geteuid() == 0:  # as whom it refuses to run; PostgreSQL's own user can enter the folder of its socket
            owner = Path(host).stat().st_uid
            for path in (folder, folder / "ini", folder / "users"):
                os.chown(path, owner, -1)
            command[1:1] = ["--user", pwd.getpwuid(owner).pw_name]
        process = subprocess.Popen(command)
        try:
            through = server.set(host=None, port=PORT, query={"host": str(folder)})
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
