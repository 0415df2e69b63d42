"""Run PostgreSQL, Airflow with LocalExecutor and, optionally, the sandbox."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from gmail_embedded import ports
from gmail_embedded.environment import airflow_environment, build_setting_variables
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.installation import Installation, StepReporter, no_report
from gmail_embedded.postgres import Postgres
from gmail_embedded.processes import Child, Command, ProcessManager, stop_leftovers
from gmail_embedded.runfolder import CHECKOUT, USER


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run and how."""

    port: int | None = None
    """The api-server's port; None takes a free one."""
    port_source: str = "--port"
    """The option or variable that set the port, for the error message."""
    host_name: str = ports.LOCAL
    """Host name in the browser's address; Google's console accepts `localhost`."""
    sandbox: bool = False
    """Whether to run the sandbox too, with an OAuth client of the sandbox."""
    sandbox_arguments: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Options of [gmail_warmup] by name."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further variables, such as GOOGLE_CLIENT_ID; they override all others."""
    paused: bool = True
    """Whether DAGs start paused."""
    parallelism: int = 8
    durable: bool = False
    """Whether the database survives a crash of the machine, which is slower."""
    patience: float = 300
    """Maximum seconds until Airflow is ready."""


class Stack(Installation):
    """PostgreSQL, Airflow with LocalExecutor and, optionally, the sandbox.

    Args:
        folder: the run folder; existing data is used again.
        options: what to run and how.
    """

    def __init__(self, folder: Path | str = CHECKOUT / ".run" / "default", options: Options | None = None) -> None:
        super().__init__(folder)
        self.options = options or Options()
        self._postgres: Postgres | None = None

    @property
    def base_url(self) -> str:
        """Return the address of the UI."""
        return f"http://{self.options.host_name}:{self._port}"

    @property
    def login(self) -> tuple[str, str]:
        """Return user and password for the UI."""
        return USER, self.folder.secrets.admin_password

    @property
    def database_url(self) -> str:
        """Return the administrator's URL of the database."""
        assert self._postgres, "start() comes first"
        return self._postgres.url

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of Airflow's processes, for further commands against this stack."""
        options = self.options
        return (
            airflow_environment(
                self.folder,
                database_url=self.database_url,
                port=self._port,
                base_url=self.base_url,
                settings=options.settings,
                paused=options.paused,
                parallelism=options.parallelism,
            )
            | (self._sandbox_variables() if options.sandbox else {})
            | dict(options.environment)
        )

    def start(self, report: StepReporter = no_report) -> None:
        """Start everything and wait until it is ready."""
        self._check()
        with report("PostgreSQL"):
            stop_leftovers(self.folder.root, self.folder.database)
            self.folder.prepare()
            self._family = ProcessManager(self.folder.root, self.folder.mask)
            self._postgres = Postgres(self.folder, self._family, durable=self.options.durable)
            self._postgres.start()
        with report("Database tables"):
            # Both need no tables while they load, and the api-server loads as long as the migration takes.
            self._start_airflow("api-server", ["airflow", "api-server"], AIRFLOW__DATABASE__CHECK_MIGRATIONS="False")
            if self.options.sandbox:
                self._start_sandbox(*self.options.sandbox_arguments)
            prepare = self._migrate()
        with report("Airflow"):
            skip = ["--skip-serve-logs"]  # the logs are files of this machine
            self._start_airflow("scheduler", ["airflow", "scheduler", *skip])
            self._start_airflow("dag-processor", ["airflow", "dag-processor"])
            self._start_airflow("triggerer", ["airflow", "triggerer", *skip])
            self.family.wait_for(prepare, lambda: prepare.exit_code() is not None, 120, "gmail-warmup init still runs")
            self.folder.initialised.touch()
            self._wait_until_healthy()
        if self.options.sandbox:
            with report("Sandbox"):
                self._wait_for_sandbox()

    def restart(self, name: str) -> None:
        """Restart one of Airflow's processes."""
        self._restart_child(name)
        self._wait_until_healthy()

    def change_settings(self, settings: Mapping[str, str]) -> None:
        """Restart Airflow's processes with other options of [gmail_warmup]."""
        self.options = replace(self.options, settings={**self.options.settings, **settings})
        for name in ("dag-processor", "scheduler", "api-server"):
            self._restart_child(name, build_setting_variables(settings))
        self._wait_until_healthy()

    def _restart_child(self, name: str, variables: Mapping[str, str] | None = None) -> None:
        child = self._get_child(name)
        command = replace(child.command, environment={**child.command.environment, **(variables or {})})
        with self.signals.deferred():
            self.family.stop(child)
            self._services.remove(child)
            self._services.append(self.family.start(command))

    # The steps.

    def _check(self) -> None:
        from gmail_warmup.core.errors import GmailWarmupError
        from gmail_warmup.core.options import validate_settings

        try:
            validate_settings(dict(self.options.settings))
        except GmailWarmupError as error:
            raise EmbeddedError(str(error)) from None
        options = self.options
        self._port = ports.choose_port(options.port, purpose="Airflow's pages", source=options.port_source)
        if options.sandbox:
            self._sandbox_port = ports.choose_port(None, purpose="the sandbox", source="--sandbox-port")

    def _command(self, name: str, argv: list[str], **more: Any) -> Command:
        environment = {**self.environment, **more.pop("environment", {})}
        return Command(
            name=name,
            argv=argv,
            environment=environment,
            log=self.folder.log(name),
            cwd=self.folder.airflow_home,
            **more,
        )

    def _start_airflow(self, name: str, argv: list[str], **variables: str) -> None:
        program = str(Path(sys.prefix) / "bin" / argv[0])
        command = self._command(name, [program, *argv[1:]], service=True, environment=variables)
        # Only `gmail-warmup init` needs it, which stores it encrypted in a Connection.
        environment = {key: value for key, value in command.environment.items() if key != "GOOGLE_CLIENT_SECRET"}
        self._start_service(replace(command, environment=environment))

    def _migrate(self) -> Child:
        """Start migration and initialisation; return when the tables exist."""
        out, inward = os.pipe()
        try:
            os.set_blocking(out, False)
            argv = [sys.executable, "-m", "gmail_embedded.prepare", str(inward)]
            child = self.family.start(self._command("prepare", argv, pass_fds=(inward,), grace=3))
            self.family.wait_for(child, lambda: _has_byte(out) or child.exit_code() is not None, 180, "still migrating")
        finally:
            os.close(out)
            os.close(inward)
        return child

    def _wait_until_healthy(self) -> None:
        started = {child.name.replace("-", "_"): child.started for child in self._services}
        lacking = "the api-server does not answer"

        def healthy() -> bool:
            nonlocal lacking
            try:
                states = self.api.health()
            except (httpx.HTTPError, ValueError):
                return False
            for name in ("scheduler", "dag_processor", "triggerer"):
                heartbeat = states[name].get(f"latest_{name}_heartbeat")
                # A heartbeat of an earlier start counts as healthy for a minute, so its age is checked too.
                if states[name].get("status") != "healthy" or _older(heartbeat, started[name]):
                    lacking = f"no heartbeat from the {name.replace('_', '-')}"
                    return False
            return True

        api_server = self._get_child("api-server")
        try:
            self.family.wait_for(api_server, healthy, self.options.patience, "not healthy")
        except EmbeddedError as error:
            error.args = (str(error).replace("not healthy", lacking),)
            raise


def _has_byte(descriptor: int) -> bool:
    try:
        return os.read(descriptor, 1) != b""
    except BlockingIOError:
        return False


def _older(heartbeat: str | None, moment: float) -> bool:
    return heartbeat is None or datetime.fromisoformat(heartbeat) < datetime.fromtimestamp(moment, UTC)
