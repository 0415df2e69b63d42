"""PostgreSQL, Airflow and Google's stand-in as one thing that starts and ends."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from gmail_embedded import ports
from gmail_embedded.airflow_api import AirflowApi
from gmail_embedded.environment import airflow_environment, base_environment
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.postgres import Postgres
from gmail_embedded.processes import Child, Command, Family, end_leftovers
from gmail_embedded.runfolder import CHECKOUT, USER, RunFolder
from gmail_embedded.signals import EndingSignals

SANDBOX_CLIENT_ID = "1234567890-sandbox.apps.googleusercontent.com"
SANDBOX_CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  the stand-in accepts what it is told to

Report = Callable[[str], AbstractContextManager[Any]]
"""Called with the name of each step; the block it returns lasts as long as the step."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run and how."""

    port: int | None = None
    """The api-server's port; None takes a free one."""
    port_asked_by: str = "--port"
    """What configured the port, for the error."""
    host_name: str = ports.LOCAL
    """Under which the browser reaches this machine; Google's console accepts `localhost`."""
    sandbox: bool = False
    """Whether Google's stand-in runs too; then the OAuth client is one of the stand-in."""
    sandbox_arguments: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Options of [gmail_warmup] by name."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further variables, such as GOOGLE_CLIENT_ID; they are stronger than everything else."""
    paused: bool = True
    """Whether DAGs start paused."""
    parallelism: int = 8
    durable: bool = False
    """Whether the database survives a crash of the whole machine, at the price of speed."""
    patience: float = 180
    """Seconds that Airflow has to become ready."""


class Stack:
    """A context manager: entering takes the run folder, `start` starts, leaving ends everything.

    Args:
        folder: the run folder; what it holds is used again.
        options: what to run and how.
    """

    def __init__(self, folder: Path | str = CHECKOUT / ".run" / "default", options: Options | None = None) -> None:
        self.folder = RunFolder(Path(folder))
        self.options = options or Options()
        self.signals = EndingSignals()
        self._family: Family | None = None
        self._postgres: Postgres | None = None
        self._api: AirflowApi | None = None
        self._services: list[Child] = []
        self._port = self._sandbox_port = 0

    # What is known once it has started.

    @property
    def base_url(self) -> str:
        """Return the address of the UI."""
        return f"http://{self.options.host_name}:{self._port}"

    @property
    def sandbox_url(self) -> str:
        """Return the address of Google's stand-in."""
        return f"http://{ports.LOCAL}:{self._sandbox_port}"

    @property
    def login(self) -> tuple[str, str]:
        """Return user and password for the UI."""
        return USER, self.folder.secrets.admin_password

    @property
    def database_url(self) -> str:
        """Return the administrator's address of the database."""
        assert self._postgres, "start() comes first"
        return self._postgres.url

    @property
    def api(self) -> AirflowApi:
        """Return a client of Airflow's API."""
        if self._api is None:
            user, password = self.login
            self._api = AirflowApi(f"http://{ports.LOCAL}:{self._port}", username=user, password=password)
        return self._api

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

    # Start and end.

    def __enter__(self) -> Self:
        """Take the run folder; change nothing else."""
        self.folder.lock()
        self.signals.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything, whatever happened; a signal that comes meanwhile waits."""
        self.signals.install()
        with self.signals.deferred():
            self.stop()
            self.folder.unlock()
            self.signals.restore()

    def start(self, report: Report = lambda _: nullcontext()) -> None:
        """Start everything and wait until it is ready.

        Raises:
            EmbeddedError: one line on what is wrong; a wrong setting or port before anything was changed.
        """
        self._check()
        with report("PostgreSQL"):
            end_leftovers(self.folder.root, self.folder.database)
            self.folder.prepare()
            self._family = Family(self.folder.root, self.folder.mask)
            self._postgres = Postgres(self.folder, self._family, durable=self.options.durable)
            self._postgres.start()
        with report("Database tables"):
            # These two need no table while they load, which takes the one of them as long as the migration.
            self._start_service("api-server", ["airflow", "api-server"], AIRFLOW__DATABASE__CHECK_MIGRATIONS="False")
            if self.options.sandbox:
                self._start_sandbox()
            prepare = self._migrate()
        with report("Airflow"):
            skip = ["--skip-serve-logs"]  # the logs are files of this machine
            self._start_service("scheduler", ["airflow", "scheduler", *skip])
            self._start_service("dag-processor", ["airflow", "dag-processor"])
            self._start_service("triggerer", ["airflow", "triggerer", *skip])
            self.family.wait_for(prepare, lambda: prepare.exit_code() is not None, 120, "gmail-warmup init still runs")
            self.folder.initialised.touch()
            self._wait_until_healthy()
        if self.options.sandbox:
            with report("Google's stand-in"):
                self._wait_for_sandbox()

    def stop(self) -> None:
        """End every process: Airflow first, for it uses the database."""
        if self._api:
            self._api.close()
            self._api = None
        if self._family:
            with self.signals.deferred():
                self._family.stop(*self._services)
                self._services.clear()
                self._family.close()
                self._family = None

    def watch(self) -> None:
        """Stay until a signal ends the program.

        Raises:
            ProcessDiedError: if a process dies.
        """
        while True:
            self.family.check()
            time.sleep(0.5)

    @property
    def family(self) -> Family:
        """Return the processes."""
        assert self._family, "start() comes first"
        return self._family

    def restart(self, name: str) -> None:
        """End one of Airflow's processes and start it again."""
        child = next(child for child in self._services if child.name == name)
        with self.signals.deferred():
            self.family.stop(child)
            self._services.remove(child)
            self._services.append(self.family.start(child.command))
        self._wait_until_healthy()

    # The steps.

    def _check(self) -> None:
        from gmail_warmup.errors import GmailWarmupError
        from gmail_warmup.settings import parse

        try:
            parse(dict(self.options.settings))
        except GmailWarmupError as error:
            raise EmbeddedError(str(error)) from None
        options = self.options
        self._port = ports.claim(options.port, purpose="Airflow's pages", asked_by=options.port_asked_by)
        if options.sandbox:
            self._sandbox_port = ports.claim(None, purpose="Google's stand-in", asked_by="--sandbox-port")

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

    def _start_service(self, name: str, argv: list[str], **variables: str) -> None:
        program = str(Path(sys.prefix) / "bin" / argv[0])
        command = self._command(name, [program, *argv[1:]], service=True, environment=variables)
        with self.signals.deferred():
            self._services.append(self.family.start(command))

    def _start_sandbox(self) -> None:
        command = Command(
            name="sandbox",
            argv=[
                *(sys.executable, "-m", "gmail_sandbox", "--host", ports.LOCAL, "--port", str(self._sandbox_port)),
                *self.options.sandbox_arguments,
            ],
            environment=base_environment(self.folder.airflow_home),
            log=self.folder.log("sandbox"),
            cwd=self.folder.root,
            service=True,
            grace=3,
        )
        with self.signals.deferred():
            self._services.append(self.family.start(command))

    def _sandbox_variables(self) -> dict[str, str]:
        return {
            "GOOGLE_CLIENT_ID": SANDBOX_CLIENT_ID,
            "GOOGLE_CLIENT_SECRET": SANDBOX_CLIENT_SECRET,
            "GOOGLE_AUTH_URI": f"{self.sandbox_url}/o/oauth2/v2/auth",
            "GOOGLE_TOKEN_URI": f"{self.sandbox_url}/token",
            "GMAIL_API_ENDPOINT": self.sandbox_url,
        }

    def _migrate(self) -> Child:
        """Start migration and initialisation; return when the tables are there."""
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
                # The heartbeat of an earlier start counts as healthy for a minute, so its age decides.
                if states[name].get("status") != "healthy" or _older(heartbeat, started[name]):
                    lacking = f"no heartbeat of the {name.replace('_', '-')} yet"
                    return False
            return True

        api_server = next(child for child in self._services if child.name == "api-server")
        try:
            self.family.wait_for(api_server, healthy, self.options.patience, "not healthy")
        except EmbeddedError as error:
            error.args = (str(error).replace("not healthy", lacking),)
            raise

    def _wait_for_sandbox(self) -> None:
        def answers() -> bool:
            try:
                return httpx.get(f"{self.sandbox_url}/sandbox/v1/health", trust_env=False, timeout=5).is_success
            except httpx.HTTPError:
                return False

        child = next(child for child in self._services if child.name == "sandbox")
        self.family.wait_for(child, answers, 30, "it does not answer")


def _has_byte(descriptor: int) -> bool:
    try:
        return os.read(descriptor, 1) != b""
    except BlockingIOError:
        return False


def _older(heartbeat: str | None, moment: float) -> bool:
    return heartbeat is None or datetime.fromisoformat(heartbeat) < datetime.fromtimestamp(moment, UTC)
