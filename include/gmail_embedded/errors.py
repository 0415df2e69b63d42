"""What can go wrong here: one line that names thing and remedy, and where there is a log its last lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class EmbeddedError(Exception):
    """Something could not be started; the message is one line."""


class FolderInUseError(EmbeddedError):
    """Another start holds the run folder."""


class PortInUseError(EmbeddedError):
    """A configured port is taken."""


class ProcessDiedError(EmbeddedError):
    """A process ended that should run, or a command failed."""

    def __init__(self, name: str, exit_code: int, log: Path, tail: Sequence[str]) -> None:
        self.name, self.exit_code, self.log, self.tail = name, exit_code, log, tuple(tail)
        super().__init__(f"{name} ended with exit code {exit_code}. Its log: {log}")


class NotReadyError(EmbeddedError):
    """A process runs, but did not become ready in time."""

    def __init__(self, name: str, seconds: float, reason: str, log: Path, tail: Sequence[str]) -> None:
        self.name, self.log, self.tail = name, log, tuple(tail)
        super().__init__(f"{name} was not ready after {seconds:.0f} seconds ({reason}). Its log: {log}")


class AirflowApiError(EmbeddedError):
    """Airflow's API refused a request, or what was waited for did not happen."""
