"""What every Airflow on this machine has in common: a run folder, processes in it, Google's stand-in, one end."""

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
from gmail_embedded.environment import base_environment
from gmail_embedded.processes import Child, Command, Family
from gmail_embedded.runfolder import RunFolder
from gmail_embedded.signals import EndingSignals

SANDBOX_CLIENT_ID = "1234567890-sandbox.apps.googleusercontent.com"
SANDBOX_CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105  the stand-in accepts what it is told to

Report = Callable[[str], AbstractContextManager[Any]]
"""Called with the name of each step; the block it returns lasts as long as the step."""


def unreported(_: str) -> AbstractContextManager[Any]:
    """Show no step."""
    return nullcontext()


class Installation(ABC):
    """A context manager: entering takes the run folder, `start` starts, leaving ends everything.

    Args:
        folder: the run folder; what it holds is used again.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = RunFolder(Path(folder))
        self.signals = EndingSignals()
        self._family: Family | None = None
        self._api: AirflowApi | None = None
        self._services: list[Child] = []
        self._port = self._sandbox_port = 0

    # What is known once it has started.

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
        """Return the administrator's address of the database."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """Return the environment of a command against this installation."""

    @property
    def sandbox_url(self) -> str:
        """Return the address of Google's stand-in."""
        return f"http://{ports.LOCAL}:{self._sandbox_port}"

    @property
    def api(self) -> AirflowApi:
        """Return a client of Airflow's API."""
        if self._api is None:
            user, password = self.login
            self._api = AirflowApi(f"http://{ports.LOCAL}:{self._port}", username=user, password=password)
        return self._api

    @property
    def family(self) -> Family:
        """Return the processes."""
        assert self._family, "start() comes first"
        return self._family

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

    @abstractmethod
    def start(self, report: Report = unreported) -> None:
        """Start everything and wait until it is ready.

        Raises:
            EmbeddedError: one line on what is wrong; a wrong setting or port before anything was changed.
        """

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

    # For those that are made of this.

    def _service(self, name: str) -> Child:
        return next(child for child in self._services if child.name == name)

    def _start_service(self, command: Command) -> None:
        with self.signals.deferred():
            self._services.append(self.family.start(command))

    def _start_sandbox(self, *arguments: str) -> None:
        """Start Google's stand-in on the port that was claimed for it."""
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

        self.family.wait_for(self._service("sandbox"), answers, 30, "it does not answer")

    def _sandbox_variables(self) -> dict[str, str]:
        return {
            "GOOGLE_CLIENT_ID": SANDBOX_CLIENT_ID,
            "GOOGLE_CLIENT_SECRET": SANDBOX_CLIENT_SECRET,
            "GOOGLE_AUTH_URI": f"{self.sandbox_url}/o/oauth2/v2/auth",
            "GOOGLE_TOKEN_URI": f"{self.sandbox_url}/token",
            "GMAIL_API_ENDPOINT": self.sandbox_url,
        }
