"""An interrupted run of the tests leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.kit import until
from gmail_embedded.processes import find_processes
from support.postgres_server import PREFIX

TESTS = Path(__file__).parents[1]


class Run:
    """A run of pytest whose tests do not end, with its PostgreSQL servers.

    Args:
        folder: for its temporary files.
        workers: of pytest-xdist, 0 for none.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder, self._workers = folder, workers
        argv = ["env", "--default-signal=INT"]  # it may be ignored, as in a job in the background
        argv += [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", str(workers), "--max-worker-restart=0"]
        self._process = subprocess.Popen(
            [*argv, "embedded/interrupted_run.py"],
            cwd=TESTS,
            env=os.environ | {"TMPDIR": str(folder), "WAITING": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def waiting(self) -> list[int]:
        """Return the processes in which a test waits."""
        return [int(path.name) for path in self._folder.iterdir() if path.name.isdigit()]

    def servers(self) -> list[int]:
        """Return the processes of PostgreSQL and of its supervisors."""
        return [pid for data in self._folder.glob(f"{PREFIX}*") for pid in find_processes(data, data / "postgres")]

    def has_started(self) -> bool:
        """Return whether every worker waits in a test."""
        return len(self.waiting()) == max(1, self._workers)

    def remaining(self) -> list[int]:
        """Return every process of the run that has not ended."""
        runners = [pid for pid in (self._process.pid, *self.waiting()) if _is_running(pid)]
        return runners + self.servers()

    def interrupt(self, how: str) -> None:
        """Interrupt the run as a terminal, a process manager or the kernel does."""
        match how:
            case "Ctrl-C":
                os.killpg(self._process.pid, signal.SIGINT)
            case "SIGTERM" | "SIGKILL":
                self._process.send_signal(signal.Signals[how])
            case "SIGKILL of the workers":
                for pid in self.waiting():
                    os.kill(pid, signal.SIGKILL)

    def ended(self) -> bool:
        """Return whether no process is left."""
        self._process.poll()
        return not self.remaining()

    def end(self) -> None:
        """Kill what is left."""
        for pid in self.remaining():
            os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def run(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Run]:
    run = Run(short_folder, request.param)
    yield run
    run.end()


@pytest.mark.e2e
@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize(
    ("run", "how"),
    [
        (0, "Ctrl-C"),
        (0, "SIGTERM"),
        (0, "SIGKILL"),
        (2, "Ctrl-C"),
        (2, "SIGTERM"),
        (2, "SIGKILL"),
        (2, "SIGKILL of the workers"),
    ],
    indirect=["run"],
)
def test_no_process_is_left(run: Run, how: str) -> None:
    until(run.has_started, "the tests do not wait", 180)
    assert run.servers()

    run.interrupt(how)

    until(run.ended, "processes are left")
