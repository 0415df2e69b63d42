"""Run the services of `docker-compose.yaml` as processes of this machine, without Docker."""

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
from gmail_embedded.installation import Installation, StepReporter, no_report
from gmail_embedded.postgres import Postgres
from gmail_embedded.processes import Child, ProcessManager, stop_leftovers
from gmail_embedded.runfolder import CHECKOUT, USER

FILE = CHECKOUT / "docker-compose.yaml"
_SETTING = "AIRFLOW__GMAIL_WARMUP__"


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """What to run and how."""

    workers: int = 2
    port: int | None = None
    """The port of Airflow's web server; None chooses a free one."""
    sandbox: bool = False
    """Whether to use the sandbox instead of Google, with generated secrets instead of those of `.env`."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Options of [gmail_warmup] by name."""
    env_file: Path = CHECKOUT / ".env"
    pooler: bool = False
    """Whether tasks and page connect to the database through PgBouncer in transaction mode."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Variables of Airflow's processes that override the compose file's, for tests."""
    cores: Sequence[int] = ()
    """Processor cores to bind the workers to, the least used one first."""


class Cluster(Installation):
    """Every service of the compose file, with its start conditions, environment and health checks.

    Args:
        folder: the run folder; existing data is used again.
        options: what to run and how.
    """

    def __init__(self, folder: Path | str, options: ClusterOptions | None = None) -> None:
        super().__init__(folder)
        self.options = options or ClusterOptions()
        self._variables: dict[str, str] = {}
        self._secrets: set[str] = set()
        self._definitions: dict[str, Service] = {}
        self._instances: dict[str, list[Child]] = {}
        self._healthy: set[str] = set()
        self._postgres: Postgres | None = None
        self._worker_number = 0
        self._cores: dict[str, int] = {}
        self.read_only_obstacle = ""
        """Why services that are read-only in the file run on a writable file system, or an empty string."""

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
        """Return the administrator's URL of the database."""
        assert self._postgres, "start() comes first"
        return self._postgres.url

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the service `init`, for further commands."""
        return self._commands.build_environment(self._definitions[services.INIT], services.INIT)

    @property
    def workers(self) -> list[str]:
        """Return the host names of the workers."""
        return [child.name for child in self._instances[services.WORKER]]

    def start(self, report: StepReporter = no_report) -> None:
        """Start every service after those that it waits for; return when all are healthy."""
        self._check()
        if self.read_only_obstacle:
            with report(f"Read-only file systems are not possible on this machine ({self.read_only_obstacle})"):
                pass
        with report("Run folder"):
            stop_leftovers(self.folder.root, self.folder.database)
            self.folder.prepare()
            self._family = ProcessManager(self.folder.root, self._mask)
            if self.options.sandbox:
                self._start_sandbox()
                self._wait_for_sandbox()
        for service in self._definitions.values():
            with report(f"Service {service.name}"):
                for name, condition in service.depends_on.items():
                    self._wait_for_condition(self._definitions[name], condition)
                self._start_instances(service)
        with report("Health checks"):
            for service in self._definitions.values():
                if service.check:
                    self._wait_for_condition(service, compose.HEALTHY)
        self.folder.initialised.touch()

    def add_worker(self) -> str:
        """Start another worker, wait until it is healthy and return its host name."""
        worker = self._definitions[services.WORKER]
        child = self._start_worker(worker)
        self._wait_until_healthy(worker, child)
        return child.name

    def stop_worker(self, name: str) -> None:
        """Stop a worker and wait for it."""
        self._remove_worker(name, self.family.stop)

    def kill_worker(self, name: str) -> None:
        """Kill a worker and its descendants immediately."""
        self._remove_worker(name, self.family.kill)

    def _remove_worker(self, name: str, end: Callable[[Child], None]) -> None:
        child = self._get_child(name)
        with self.signals.deferred():
            end(child)
            self._services.remove(child)
            self._instances[services.WORKER].remove(child)

    # Checks before anything is changed.

    def _check(self) -> None:
        self._port = ports.choose_port(self.options.port, purpose="Airflow's pages", source="PORT")
        if self.options.sandbox:
            self._sandbox_port = ports.choose_port(None, purpose="the sandbox", source="")
        text = FILE.read_text(encoding="utf-8")
        self._secrets = compose.find_required_variables(text)
        self._variables = self._read_variables() | {
            "PORT": str(self._port),
            "BASE_URL": self.base_url,
            "WORKERS": str(self.options.workers),
        }
        if self.options.pooler:
            pgbouncer.find_pgbouncer()
            self._pooler_port = ports.choose_port(None, purpose="PgBouncer", source="")
            self._variables["GMAIL_WARMUP_DB_ADDRESS"] = f"{ports.LOCAL}:{self._pooler_port}"
        try:
            self._definitions = compose.read_services(FILE, self._variables)
        except MissingVariablesError as error:
            remedy = f"Run make env and edit {self.options.env_file.name}, or set SANDBOX=1 to simulate Google."
            raise MissingVariablesError(f"{error} {remedy}") from None
        self._addresses = Addresses(self._definitions)
        for service in self._definitions.values():
            for inside, outside in service.published.items():
                self._addresses.set_port(service.name, inside, outside)
        self.read_only_obstacle = (
            readonly_fs.find_obstacle() if any(each.read_only for each in self._definitions.values()) else ""
        )
        self._commands = self._make_commands()
        self._commands.require_programs(self._definitions.values())

    def _make_commands(self) -> Commands:
        read_only_possible = not self.read_only_obstacle
        return Commands(self.folder, self._addresses, self.options.overrides, read_only_possible=read_only_possible)

    def _read_variables(self) -> dict[str, str]:
        if self.options.sandbox:
            found = dotenv.read_variables(self._write_secrets()) | self._sandbox_variables()
        else:
            found = dotenv.read_variables(self.options.env_file) | dict(os.environ)
        chosen = {_SETTING + name.upper(): value for name, value in self.options.settings.items()}
        return found | chosen

    def _write_secrets(self) -> Path:
        """Generate the secrets once, as `make env` does, in the run folder."""
        path = self.folder.root / "cluster.env"
        argv = [sys.executable, str(CHECKOUT / "scripts" / "make_env.py"), "--output", str(path)]
        subprocess.run(argv, check=True, capture_output=True)  # noqa: S603  our own program
        return path

    def _mask(self, line: str) -> str:
        for name in self._secrets:
            line = line.replace(self._variables[name], "***")
        return self.folder.mask(line)

    # Start and wait for one service.

    def _start_instances(self, service: Service) -> None:
        if service.name == services.POSTGRES:
            self._instances[service.name] = [self._start_postgres(service)]
        elif service.name == services.WORKER:
            self._instances[service.name] = []
            for _ in range(service.scale):
                self._start_worker(service)
        else:
            self._instances[service.name] = [self._start_process(service, service.name)]

    def _start_postgres(self, service: Service) -> Child:
        port = self._addresses.get_port(service.name, services.POSTGRES_PORT)
        self._postgres = Postgres(self.folder, self.family, durable=not self.options.sandbox, port=port)
        child = self._postgres.start()
        services.create_user_and_database(self._postgres.url, service.environment)
        if self.options.pooler:
            admin, password = (service.environment[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD"))
            self.family.start(
                pgbouncer.build_command(
                    self.folder, port=self._pooler_port, server_port=port, admin=admin, password=password
                )
            )
        return child

    def _start_worker(self, service: Service) -> Child:
        self._worker_number += 1
        child = self._start_process(service, f"{service.name}-{self._worker_number}")
        self._instances[service.name].append(child)
        return child

    def _start_process(self, service: Service, instance: str) -> Child:
        long_running = compose.COMPLETED not in {
            other.depends_on.get(service.name) for other in self._definitions.values()
        }
        core = self._choose_core() if service.name == services.WORKER else None
        command = self._commands.build_service(service, instance, long_running=long_running, core=core)
        with self.signals.deferred():
            child = self.family.start(command)
            if long_running and service.name != services.REDIS:  # Redis is stopped after the services that use it
                self._services.append(child)
        return child

    def _choose_core(self) -> int | None:
        """Return the core with the fewest workers."""
        taken = Counter(self._cores[child.name] for child in self._instances[services.WORKER] if self._cores)
        core = min(self.options.cores, key=lambda number: taken[number], default=None)
        if core is not None:
            self._cores[f"{services.WORKER}-{self._worker_number}"] = core
        return core

    def _wait_for_condition(self, service: Service, condition: str) -> None:
        for child in self._instances[service.name]:
            if condition == compose.COMPLETED:
                self.family.wait_for(child, lambda: child.exit_code() is not None, 600, "it still runs")  # noqa: B023
            elif condition == compose.HEALTHY:
                self._wait_until_healthy(service, child)

    def _wait_until_healthy(self, service: Service, child: Child) -> None:
        """Repeat the file's health check until it succeeds."""
        assert service.check, f"{service.name} has no healthcheck"
        if child.name in self._healthy:
            return
        command = self._commands.build_check(service.check, service, child.name)
        deadline = time.monotonic() + service.check.max_wait
        while not self.family.succeeds(command, service.check.timeout):
            if time.monotonic() > deadline:
                log = child.command.log
                raise NotReadyError(
                    child.name, service.check.max_wait, "its health check fails", log, self.family.tail(log)
                )
            time.sleep(0.5)
        self._healthy.add(child.name)
