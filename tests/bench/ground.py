"""The ground that scenarios stand on: a PostgreSQL and Google's stand-in of their own, as processes of their own.

Every process runs under a supervisor, so that none is left after Ctrl-C or when this process is killed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from bench.clock import DatabaseClock
from bench.place import Place
from gmail_embedded.environment import base_environment
from gmail_embedded.postgres import Postgres
from gmail_embedded.processes import Command, ProcessManager, stop_leftovers
from gmail_embedded.runfolder import RunFolder
from gmail_embedded.signals import TerminationSignals
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Base
from support.world import CLIENT_ID, CLIENT_SECRET, World

SIMULATED = "simulated"
_READY = re.compile(r"Gmail sandbox on (http://\S+),")
_TESTS = Path(__file__).resolve().parents[1]


class Ground:
    """What runs, and the worlds on it: one with the real time, one whose database's clock can be moved.

    Attributes:
        family: starts further processes.
        folder: where data and logs are.
        clock: of the simulated world's database.
    """

    def __init__(self, family: ProcessManager, folder: RunFolder, database_url: str, sandbox_url: str) -> None:
        self.family, self.folder = family, folder
        self._urls = {False: database_url, True: _of_database(database_url, SIMULATED)}
        self._sandbox_url = sandbox_url
        self._worlds: dict[bool, World] = {}
        self.clock = DatabaseClock(self._engine(simulated=True))

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a process that takes part."""
        home = self.folder.airflow_home
        return base_environment(home) | {
            "PYTHONPATH": str(_TESTS),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_CONFIG": str(self.folder.airflow_config),
            "AIRFLOW__CORE__FERNET_KEY": self.folder.secrets.fernet_key,
        }

    def place(self, *, simulated: bool = False) -> Place:
        """Return where things are."""
        return Place(
            database_url=self._urls[simulated],
            sandbox_url=self._sandbox_url,
            fernet_key=self.folder.secrets.fernet_key,
        )

    def world(self, *, simulated: bool = False) -> World:
        """Return a world as it is now."""
        if simulated not in self._worlds:
            self._worlds[simulated] = self.place(simulated=simulated).open(actor="bench", pooled=True)
        return self._worlds[simulated]

    def fresh(self, *, simulated: bool = False) -> World:
        """Return a world that is empty but for one OAuth client, its clocks set right."""
        world = self.world(simulated=simulated)
        world.settings = Settings()
        tables = ", ".join(str(table) for table in Base.metadata.sorted_tables)
        with world.store.engine.begin() as connection:
            connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        if simulated:
            self.clock.set(timedelta(0))
        world.sandbox.reset()
        world.sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET])
        return world

    def pass_time(self, by: timedelta) -> None:
        """Let time pass at Google's and in the simulated world's database."""
        self.clock.advance(by)
        self.world(simulated=True).sandbox.advance(by.total_seconds())

    def close(self) -> None:
        """Close what this process has open."""
        for world in self._worlds.values():
            world.store.engine.dispose()
            world.sandbox.close()

    def make_tables(self) -> None:
        """Make the tables in both databases."""
        Base.metadata.create_all(self._engine(simulated=False))
        self.make_simulated(SIMULATED)

    def make_simulated(self, name: str) -> None:
        """Make a database, empty, whose clock can be moved."""
        with self._engine(simulated=False).connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine = _unpooled(_of_database(self._urls[False], name))
        DatabaseClock(engine).install(name)
        Base.metadata.create_all(engine)

    def _engine(self, *, simulated: bool) -> sa.Engine:
        return _unpooled(self._urls[simulated])


def _unpooled(url: str) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.pool.NullPool, hide_parameters=True)


def _of_database(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


@contextmanager
def ground(root: Path) -> Iterator[Ground]:
    """Start everything in a folder, which nobody else may be using; end it when the block ends, whatever happened."""
    folder, signals = RunFolder(root), TerminationSignals()
    folder.lock()
    signals.install()
    try:
        stop_leftovers(folder.root, folder.database)
        folder.prepare()
        family = ProcessManager(folder.root, folder.mask)
        try:
            database = Postgres(folder, family, durable=False)
            database.start()
            made = Ground(family, folder, database.url, _start_sandbox(family, folder))
            made.make_tables()
            yield made
            made.close()
        finally:
            with signals.deferred():
                family.close()
    finally:
        folder.unlock()
        signals.restore()


def _start_sandbox(family: ProcessManager, folder: RunFolder) -> str:
    """Start Google's stand-in on a port of its own choice; return its address, which it writes into its log."""
    log = folder.log("sandbox")
    log.unlink(missing_ok=True)
    command = Command(
        name="sandbox",
        argv=[sys.executable, "-m", "gmail_sandbox", "--port", "0"],
        environment=base_environment(folder.airflow_home),
        log=log,
        cwd=folder.root,
        service=True,
        grace=3,
    )
    child = family.start(command)

    def address() -> str:
        found = _READY.search(log.read_text(encoding="utf-8"))
        return found[1] if found else ""

    family.wait_for(child, lambda: bool(address()), 120, "it does not answer")
    return address()
