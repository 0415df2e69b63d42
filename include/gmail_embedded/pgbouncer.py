"""Configure and start PgBouncer in transaction mode in front of a PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from gmail_embedded.errors import EmbeddedError
from gmail_embedded.ports import LOCAL
from gmail_embedded.processes import Command
from gmail_embedded.runfolder import RunFolder, write_private

_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin"
_MODE_OPTIONS = {
    "pool_mode": "transaction",
    "max_client_conn": "500",
    "default_pool_size": "60",
    # Each transaction of a client uses another server connection, which reveals code that relies on a session.
    "server_round_robin": "1",
}


def find_pgbouncer() -> str:
    """Return the path of PgBouncer.

    Raises:
        EmbeddedError: if it is not installed.
    """
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{_PATH}")
    if found is None:
        raise EmbeddedError("PgBouncer is not installed. Install it: apt-get install pgbouncer")
    return found


def build_configuration(server: str, options: Mapping[str, str]) -> str:
    """Return the text of the configuration file.

    Args:
        server: address of PostgreSQL as libpq's `host=... port=...`.
        options: further options of the section [pgbouncer].
    """
    lines = [f"{name} = {value}" for name, value in (_MODE_OPTIONS | dict(options)).items()]
    return "\n".join(["[databases]", f"* = {server}", "", "[pgbouncer]", *lines, ""])


def change_owner(paths: Iterable[Path], user: str | None) -> list[str]:
    """Change the owner of files to the user that PgBouncer runs as; return the options that set it.

    PgBouncer refuses to run as root.
    """
    if os.geteuid() != 0 or user is None:
        return []
    entry = pwd.getpwnam(user)
    for path in paths:
        os.chown(path, entry.pw_uid, entry.pw_gid)
    return ["--user", user]


def build_command(folder: RunFolder, *, port: int, server_port: int, admin: str, password: str) -> Command:
    """Return the command that runs PgBouncer in a run folder.

    It reads the users' passwords from the server.

    Args:
        folder: the run folder.
        port: port of PgBouncer.
        server_port: port of PostgreSQL.
        admin: name of a superuser.
        password: password of the superuser.
    """
    home = folder.root / "pgbouncer"
    home.mkdir(mode=0o700, exist_ok=True)
    options = {
        "listen_addr": LOCAL,
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": str(home / "users"),
        "auth_user": admin,
        "auth_query": "SELECT usename, passwd FROM pg_shadow WHERE usename = $1",
    }
    write_private(home / "ini", build_configuration(f"host={LOCAL} port={server_port}", options))
    write_private(home / "users", f'"{admin}" "{password}"\n')
    user = change_owner([home, home / "ini", home / "users"], "nobody")
    return Command(
        name="pgbouncer",
        argv=[find_pgbouncer(), *user, str(home / "ini")],
        environment={"PATH": _PATH, "TZ": "UTC"},
        log=folder.log("pgbouncer"),
        cwd=Path("/"),
        service=True,
        grace=3,
    )
