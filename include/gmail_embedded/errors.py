"""Errors with a one-line message that names the cause and the fix, and with the last lines of the log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class EmbeddedError(Exception):
    """A process or service could not be started; the message is one line."""


class FolderInUseError(EmbeddedError):
    """Another process uses the run folder."""


class PortInUseError(EmbeddedError):
    """The configured port is in use or invalid."""


class ProcessExitedError(EmbeddedError):
    """A service ended, or a command failed."""

    def __init__(self, name: str, exit_code: int, log: Path, tail: Sequence[str]) -> None:
        self.name, self.exit_code, self.log, self.tail = name, exit_code, log, tuple(tail)
        super().__init__(f"{name} ended with exit code {exit_code}. Its log: {log}")


class NotReadyError(EmbeddedError):
    """A process did not become ready in time."""

    def __init__(self, name: str, seconds: float, reason: str, log: Path, tail: Sequence[str]) -> None:
        self.name, self.log, self.tail = name, log, tuple(tail)
        super().__init__(f"{name} was not ready after {seconds:.0f} seconds ({reason}). Its log: {log}")


class AirflowApiError(EmbeddedError):
    """Airflow's API rejected a request, or an expected state was not reached in time."""
