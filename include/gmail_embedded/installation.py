"""Base class of the Airflow installations on this machine: run folder, processes, sandbox, start and stop."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from gmail_embedded import ports
from gmail_embedded.airflow_api import AirflowApi
from gmail_embedded.command_environment import remove_environment
from gmail_embedded.environment import base_environment
from gmail_embedded.processes import Child, Command, ProcessManager
from gmail_embedded.runfolder import RunFolder
from gmail_embedded.signals import TerminationSignals

SANDBOX_CLIENT_ID = "1234567890-sandbox.apps.googleusercontent.com"
SANDBOX_CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  created in the sandbox

StepReporter = Callable[[str], AbstractContextManager[Any]]
"""Called with the name of each step; returns a context manager that is active during the step."""


def no_report(_: str) -> AbstractContextManager[Any]:
    """Return a context manager that shows nothing."""
    return nullcontext()


class Installation(ABC):
    """A context manager: entering locks the run folder, `start` starts the processes, leaving stops them.

    Args:
        folder: the run folder; existing data is used again.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = RunFolder(Path(folder))
        self.signals = TerminationSignals()
        self._family: ProcessManager | None = None
        self._api: AirflowApi | None = None
        self._services: list[Child] = []
        self._port = self._sandbox_port = 0

    # Available after the start.

    @property
    @abstractmethod
    def base_url(self) -> str:
        """Return the address of the UI."""

    @property
    @abstractmethod
    def login(self) -> tuple[str, str]:
        """Return user and password for the UI."""

    @property
    @abstractmethod
    def database_url(self) -> str:
        """Return the administrator's URL of the database."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the environment for further commands of this installation."""

    @property
    def sandbox_url(self) -> str:
        """Return the address of the sandbox."""
        return f"http://{ports.LOCAL}:{self._sandbox_port}"

    @property
    def api(self) -> AirflowApi:
        """Return a client of Airflow's API."""
        if self._api is None:
            user, password = self.login
            self._api = AirflowApi(f"http://{ports.LOCAL}:{self._port}", username=user, password=password)
        return self._api

    @property
    def family(self) -> ProcessManager:
        """Return the processes."""
        assert self._family, "start() comes first"
        return self._family

    # Start and stop.

    def __enter__(self) -> Self:
        """Lock the run folder; change nothing else."""
        self.folder.lock()
        self.signals.install()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything; a signal is deferred until that is done."""
        self.signals.install()
        with self.signals.deferred():
            if self._family and kind is KeyboardInterrupt and sys.stderr.isatty():
                print("Stopping, which takes some seconds ...", file=sys.stderr)
            self.stop()
            self.folder.unlock()
            self.signals.restore()

    @abstractmethod
    def start(self, report: StepReporter = no_report) -> None:
        """Start everything and wait until it is ready.

        Raises:
            EmbeddedError: if something cannot start; a wrong setting or port is reported before anything is changed.
        """

    def stop(self) -> None:
        """Stop every process, Airflow before the database."""
        remove_environment(self.folder)
        if self._api:
            self._api.close()
            self._api = None
        if self._family:
            with self.signals.deferred():
                self._family.stop(*self._services)
                self._services.clear()
                self._family.close()
                self._family = None

    def wait_for_exit(self) -> None:
        """Block until a signal ends the program.

        Raises:
            ProcessExitedError: if a service ends.
        """
        while True:
            self.family.check()
            time.sleep(0.5)

    # For subclasses.

    def _get_child(self, name: str) -> Child:
        return next(child for child in self._services if child.name == name)

    def _start_service(self, command: Command) -> None:
        with self.signals.deferred():
            self._services.append(self.family.start(command))

    def _start_sandbox(self, *arguments: str) -> None:
        """Start the sandbox on its port."""
        self._start_service(
            Command(
                name="sandbox",
                argv=[
                    *(sys.executable, "-m", "gmail_sandbox", "--host", ports.LOCAL, "--port", str(self._sandbox_port)),
                    *arguments,
                ],
                environment=base_environment(self.folder.airflow_home),
                log=self.folder.log("sandbox"),
                cwd=self.folder.root,
                service=True,
                grace=3,
            )
        )

    def _wait_for_sandbox(self) -> None:
        def answers() -> bool:
            try:
                return httpx.get(f"{self.sandbox_url}/sandbox/v1/health", trust_env=False, timeout=5).is_success
            except httpx.HTTPError:
                return False

        self.family.wait_for(self._get_child("sandbox"), answers, 30, "it does not answer")

    def _sandbox_variables(self) -> dict[str, str]:
        return {
            "GOOGLE_CLIENT_ID": SANDBOX_CLIENT_ID,
            "GOOGLE_CLIENT_SECRET": SANDBOX_CLIENT_SECRET,
            "GOOGLE_AUTH_URI": f"{self.sandbox_url}/o/oauth2/v2/auth",
            "GOOGLE_TOKEN_URI": f"{self.sandbox_url}/token",
            "AIRFLOW__GMAIL_WARMUP__GMAIL_API_ENDPOINT": self.sandbox_url,
        }
