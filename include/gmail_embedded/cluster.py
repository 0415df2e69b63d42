"""The services of `docker-compose.yaml` as processes of this machine, for machines without Docker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmail_embedded import cluster_services as services
from gmail_embedded import compose, dotenv, pgbouncer, ports, readonly_fs
from gmail_embedded.addresses import Addresses
from gmail_embedded.cluster_services import Commands
from gmail_embedded.compose import MissingVariablesError, Service
from gmail_embedded.errors import NotReadyError
from gmail_embedded.installation import Installation, Report, unreported
from gmail_embedded.postgres import Postgres
from gmail_embedded.processes import Child, Family, end_leftovers
from gmail_embedded.runfolder import CHECKOUT, USER

FILE = CHECKOUT / "docker-compose.yaml"
_SETTING = "AIRFLOW__GMAIL_WARMUP__"


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """What to run and how."""

    workers: int = 2
    port: int | None = None
    """The port of Airflow's pages; None takes a free one."""
    sandbox: bool = False
    """Whether Google's stand-in plays Google; then the secrets are the run folder's own, not those of `.env`."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Options of [gmail_warmup] by name."""
    env_file: Path = CHECKOUT / ".env"
    pooler: bool = False
    """Whether tasks and page reach the database through a PgBouncer in transaction mode."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Variables of Airflow's processes that are stronger than the compose file's, for tests."""
    cores: Sequence[int] = ()
    """The processor cores that workers are bound to, one each, as long as there are enough."""


class Cluster(Installation):
    """Every service of the compose file, in its order and by its conditions, under its environment and health checks.

    Args:
        folder: the run folder; what it holds is used again.
        options: what to run and how.
    """

    def __init__(self, folder: Path | str, options: ClusterOptions | None = None) -> None:
        super().__init__(folder)
        self.options = options or ClusterOptions()
        self._variables: dict[str, str] = {}
        self._secrets: set[str] = set()
        self._known: dict[str, Service] = {}
        self._instances: dict[str, list[Child]] = {}
        self._healthy: set[str] = set()
        self._postgres: Postgres | None = None
        self._worker_number = 0
        self._cores: dict[str, int] = {}
        self.writes_freely = ""
        """Why services whose file system is read-only in the file can write here; nothing if they cannot."""

    @property
    def base_url(self) -> str:
        """Return the address of the UI; Google's console accepts `localhost`."""
        return f"http://{ports.LOCAL if self.options.sandbox else 'localhost'}:{self._port}"

    @property
    def login(self) -> tuple[str, str]:
        """Return user and password for the UI."""
        return USER, self._variables["ADMIN_PASSWORD"]

    @property
    def database_url(self) -> str:
        """Return the administrator's address of the database."""
        assert self._postgres, "start() comes first"
        return self._postgres.url

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the service that initialises, for further commands."""
        return self._commands.environment(self._known[services.INIT], services.INIT)

    @property
    def workers(self) -> list[str]:
        """Return the host names of the workers."""
        return [child.name for child in self._instances[services.WORKER]]

    def start(self, report: Report = unreported) -> None:
        """Start every service after those that it waits for; return when all of them are healthy."""
        self._check()
        if self.writes_freely:
            with report(f"Services write freely: read-only file systems are refused here ({self.writes_freely})"):
                pass
        with report("Preparation"):
            end_leftovers(self.folder.root, self.folder.database)
            self.folder.prepare()
            self._family = Family(self.folder.root, self._mask)
            if self.options.sandbox:
                self._start_sandbox()
                self._wait_for_sandbox()
        for service in self._known.values():
            with report(f"Service {service.name}"):
                for name, condition in service.after.items():
                    self._wait(self._known[name], condition)
                self._begin(service)
        with report("Health checks"):
            for service in self._known.values():
                if service.check:
                    self._wait(service, compose.HEALTHY)
        self.folder.initialised.touch()

    def add_worker(self) -> str:
        """Start one more worker, wait until it is healthy and return its host name."""
        worker = self._known[services.WORKER]
        child = self._begin_worker(worker)
        self._wait_until_healthy(worker, child)
        return child.name

    def stop_worker(self, name: str) -> None:
        """Ask a worker to end, and wait until it has."""
        self._end_worker(name, self.family.stop)

    def kill_worker(self, name: str) -> None:
        """Kill a worker and everything below it at once."""
        self._end_worker(name, self.family.kill)

    def _end_worker(self, name: str, end: Callable[[Child], None]) -> None:
        child = self._service(name)
        with self.signals.deferred():
            end(child)
            self._services.remove(child)
            self._instances[services.WORKER].remove(child)

    # What is to be known before anything is changed.

    def _check(self) -> None:
        self._port = ports.claim(self.options.port, purpose="Airflow's pages", asked_by="PORT")
        if self.options.sandbox:
            self._sandbox_port = ports.claim(None, purpose="Google's stand-in", asked_by="")
        text = FILE.read_text(encoding="utf-8")
        self._secrets = compose.required(text)
        self._variables = self._given() | {"PORT": str(self._port), "BASE_URL": self.base_url}
        if self.options.pooler:
            pgbouncer.program()
            self._pooler_port = ports.claim(None, purpose="PgBouncer", asked_by="")
            self._variables["GMAIL_WARMUP_DB_ADDRESS"] = f"{ports.LOCAL}:{self._pooler_port}"
        try:
            self._known = compose.read(FILE, self._variables)
        except MissingVariablesError as error:
            remedy = f"Fill them in: make env, then edit {self.options.env_file.name}; or play Google: SANDBOX=1."
            raise MissingVariablesError(f"{error} {remedy}") from None
        self._addresses = Addresses(self._known)
        for service in self._known.values():
            for inside, outside in service.published.items():
                self._addresses.publish(service.name, inside, outside)
        self.writes_freely = readonly_fs.obstacle() if any(each.read_only for each in self._known.values()) else ""
        self._commands = Commands(self.folder, self._addresses, self.options.overrides, sealing=not self.writes_freely)
        self._commands.require_programs(self._known.values())

    def _given(self) -> dict[str, str]:
        if self.options.sandbox:
            found = dotenv.read(self._own_secrets()) | self._sandbox_variables()
        else:
            found = dotenv.read(self.options.env_file) | dict(os.environ)
        chosen = {_SETTING + name.upper(): value for name, value in self.options.settings.items()}
        return found | chosen

    def _own_secrets(self) -> Path:
        """Make the secrets as `make env` does, once, in the run folder."""
        path = self.folder.root / "cluster.env"
        argv = [sys.executable, str(CHECKOUT / "scripts" / "make_env.py"), "--output", str(path)]
        subprocess.run(argv, check=True, capture_output=True)  # noqa: S603  our own program
        return path

    def _mask(self, line: str) -> str:
        for name in self._secrets:
            line = line.replace(self._variables[name], "***")
        return self.folder.mask(line)

    # One service.

    def _begin(self, service: Service) -> None:
        if service.name == services.POSTGRES:
            self._instances[service.name] = [self._begin_postgres(service)]
        elif service.name == services.WORKER:
            self._instances[service.name] = []
            for _ in range(self.options.workers):
                self._begin_worker(service)
        else:
            self._instances[service.name] = [self._begin_process(service, service.name)]

    def _begin_postgres(self, service: Service) -> Child:
        port = self._addresses.port(service.name, services.POSTGRES_PORT)
        self._postgres = Postgres(self.folder, self.family, durable=not self.options.sandbox, port=port)
        child = self._postgres.start()
        services.admit(self._postgres.url, service.environment)
        if self.options.pooler:
            admin, password = (service.environment[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD"))
            self.family.start(
                pgbouncer.command(self.folder, port=self._pooler_port, server_port=port, admin=admin, password=password)
            )
        return child

    def _begin_worker(self, service: Service) -> Child:
        self._worker_number += 1
        child = self._begin_process(service, f"{service.name}-{self._worker_number}")
        self._instances[service.name].append(child)
        return child

    def _begin_process(self, service: Service, instance: str) -> Child:
        lasts = compose.COMPLETED not in {other.after.get(service.name) for other in self._known.values()}
        core = self._free_core() if service.name == services.WORKER else None
        command = self._commands.service(service, instance, lasts=lasts, core=core)
        with self.signals.deferred():
            child = self.family.start(command)
            if lasts and service.name != services.REDIS:  # Redis ends after those that use it
                self._services.append(child)
        return child

    def _free_core(self) -> int | None:
        """Return the core that the fewest workers are bound to."""
        taken = Counter(self._cores[child.name] for child in self._instances[services.WORKER] if self._cores)
        core = min(self.options.cores, key=lambda number: taken[number], default=None)
        if core is not None:
            self._cores[f"{services.WORKER}-{self._worker_number}"] = core
        return core

    def _wait(self, service: Service, condition: str) -> None:
        for child in self._instances[service.name]:
            if condition == compose.COMPLETED:
                self.family.wait_for(child, lambda: child.exit_code() is not None, 600, "it still runs")  # noqa: B023
            elif condition == compose.HEALTHY:
                self._wait_until_healthy(service, child)

    def _wait_until_healthy(self, service: Service, child: Child) -> None:
        """Run the health check of the file until it succeeds once."""
        assert service.check, f"{service.name} has no healthcheck"
        if child.name in self._healthy:
            return
        command = self._commands.check(service.check, service, child.name)
        deadline = time.monotonic() + service.check.patience
        while not self.family.succeeds(command, service.check.timeout):
            if time.monotonic() > deadline:
                log = child.command.log
                raise NotReadyError(
                    child.name, service.check.patience, "its health check fails", log, self.family.tail(log)
                )
            time.sleep(0.5)
        self._healthy.add(child.name)
