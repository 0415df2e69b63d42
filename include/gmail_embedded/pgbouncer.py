"""PgBouncer in transaction mode before a PostgreSQL: its configuration, and how it is started in a run folder."""

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
_ALWAYS = {
    "pool_mode": "transaction",
    "max_client_conn": "500",
    "default_pool_size": "60",
    # Each transaction of a client on another server connection: whatever counts on its session is found out.
    "server_round_robin": "1",
}


def program() -> str:
    """Return the path of PgBouncer.

    Raises:
        EmbeddedError: if it is not installed.
    """
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{_PATH}")
    if found is None:
        raise EmbeddedError("PgBouncer is not installed. Install it: apt-get install pgbouncer")
    return found


def configuration(server: str, options: Mapping[str, str]) -> str:
    """Return the text of its configuration file.

    Args:
        server: where PostgreSQL is, as libpq's `host=... port=...`.
        options: of the section [pgbouncer], beside those that make the mode.
    """
    lines = [f"{name} = {value}" for name, value in (_ALWAYS | dict(options)).items()]
    return "\n".join(["[databases]", f"* = {server}", "", "[pgbouncer]", *lines, ""])


def hand_over(paths: Iterable[Path], user: str | None) -> list[str]:
    """Give files to the user that PgBouncer runs as, for it refuses root; return the options that say so."""
    if os.geteuid() != 0 or user is None:
        return []
    entry = pwd.getpwnam(user)
    for path in paths:
        os.chown(path, entry.pw_uid, entry.pw_gid)
    return ["--user", user]


def command(folder: RunFolder, *, port: int, server_port: int, admin: str, password: str) -> Command:
    """Return the command that runs it in a run folder, before the server on a port of this machine.

    Passwords of users are read from the server itself.

    Args:
        folder: the run folder.
        port: what it listens on.
        server_port: what PostgreSQL listens on.
        admin: a superuser.
        password: the superuser's.
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
    write_private(home / "ini", configuration(f"host={LOCAL} port={server_port}", options))
    write_private(home / "users", f'"{admin}" "{password}"\n')
    user = hand_over([home, home / "ini", home / "users"], "nobody")
    return Command(
        name="pgbouncer",
        argv=[program(), *user, str(home / "ini")],
        environment={"PATH": _PATH, "TZ": "UTC"},
        log=folder.log("pgbouncer"),
        cwd=Path("/"),
        service=True,
        grace=3,
    )
