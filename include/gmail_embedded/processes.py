"""Start, watch and stop child processes under a supervisor, and find those that an earlier start left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gmail_embedded import supervisor
from gmail_embedded.errors import NotReadyError, ProcessExitedError

MARK = "GMAIL_EMBEDDED_RUN"
"""Environment variable that marks the processes of a run folder; its value is the folder."""

TAIL_LINES = 15
Mask = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line and how to stop it."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    cwd: Path
    service: bool = False
    """Whether it should run indefinitely, so that ending is a failure whatever the exit code is."""
    grace: float = 8.0
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None
    capability: int | None = None
    pass_fds: Sequence[int] = ()


@dataclass
class Child:
    """A started command."""

    command: Command
    supervisor: subprocess.Popen[bytes]
    started: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        """Return the name of the process."""
        return self.command.name

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self.supervisor.poll()


class ProcessManager:
    """Starts and stops the processes of one run folder.

    Args:
        folder: the run folder, which marks the processes.
        mask: replaces secrets in lines of a log.
    """

    def __init__(self, folder: Path, mask: Mask) -> None:
        self._folder, self._mask = folder, mask
        self._children: list[Child] = []
        self._lifeline_out, self._lifeline_in = os.pipe()

    def start(self, command: Command) -> Child:
        """Start a command in its own session; its output is appended to its log."""
        argv = [sys.executable, "-I", "-S", supervisor.__file__, "--lifeline", str(self._lifeline_out)]
        argv += ["--grace", str(command.grace), "--stop-signal", str(int(command.stop_signal))]
        if command.user:
            argv += ["--user", command.user]
        if command.capability is not None:
            argv += ["--capability", str(command.capability)]
        for descriptor in command.pass_fds:
            argv += ["--keep", str(descriptor)]
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  the purpose of this class
                [*argv, "--", *command.argv],
                env={**command.environment, MARK: str(self._folder), "SPT_NOENV": "1"},
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(self._lifeline_out, *command.pass_fds),
            )
        child = Child(command, process)
        self._children.append(child)
        return child

    def run(self, command: Command, timeout: float) -> None:
        """Run a command and wait for it.

        Raises:
            ProcessExitedError: if it fails.
            NotReadyError: if it takes longer than the timeout.
        """
        child = self.start(command)
        self.wait_for(child, lambda: child.exit_code() is not None, timeout, "still running")
        self._forget(child)

    def succeeds(self, command: Command, timeout: float) -> bool:
        """Run a command and return whether it succeeded in time; a failure is not an error.

        Raises:
            ProcessExitedError: if another process ends meanwhile.
        """
        child = self.start(command)
        self._forget(child)
        deadline = time.monotonic() + timeout
        try:
            while child.exit_code() is None and time.monotonic() < deadline:
                self.check()
                time.sleep(0.05)
            return child.exit_code() == 0
        finally:
            child.supervisor.terminate()
            child.supervisor.wait()

    def wait_for(self, child: Child, ready: Callable[[], bool], timeout: float, reason: str) -> None:
        """Poll until ready, and check every process meanwhile.

        Raises:
            ProcessExitedError: if this process or another one ends.
            NotReadyError: if the timeout passes.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise NotReadyError(child.name, timeout, reason, child.command.log, self.tail(child.command.log))
            time.sleep(0.05)
        self.check()

    def check(self) -> None:
        """Raise ProcessExitedError if a service has ended or a command has failed."""
        for child in self._children:
            code = child.exit_code()
            if code is not None and (code != 0 or child.command.service):
                raise ProcessExitedError(child.name, code, child.command.log, self.tail(child.command.log))

    def get_child(self, name: str) -> Child:
        """Return the latest process of this name."""
        return next(child for child in reversed(self._children) if child.name == name)

    def tail(self, log: Path) -> list[str]:
        """Return the last lines of a log, secrets masked."""
        try:
            with log.open(encoding="utf-8", errors="replace") as file:
                return [self._mask(line.rstrip()) for line in deque(file, TAIL_LINES)]
        except OSError:
            return []

    def stop(self, *children: Child) -> None:
        """Stop processes in parallel and wait; their supervisors kill what does not stop."""
        for child in children:
            if child.exit_code() is None:
                child.supervisor.terminate()
        for child in children:
            child.supervisor.wait()
            self._forget(child)

    def kill(self, child: Child) -> None:
        """Kill a process and its descendants immediately, as a power failure would."""
        child.supervisor.send_signal(signal.SIGSTOP)  # otherwise it would send the others their stop signal first
        while left := supervisor.find_descendants(child.supervisor.pid):
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        child.supervisor.kill()
        child.supervisor.wait()
        self._forget(child)

    def close(self) -> None:
        """Stop every process, the latest first; closing the lifeline stops any other."""
        self.stop(*reversed(self._children))
        for end in (self._lifeline_in, self._lifeline_out):
            os.close(end)

    def _forget(self, child: Child) -> None:
        if child in self._children:
            self._children.remove(child)


def find_processes(folder: Path, data: Path | None = None) -> list[int]:
    """Return the processes of a run folder: those with its mark, and a PostgreSQL whose working directory is `data`.

    PostgreSQL overwrites its environment with its title, so its mark may be missing. Needs /proc.
    """
    found = []
    mark = f"{MARK}={folder}".encode()
    for entry in Path("/proc").iterdir() if Path("/proc/self/stat").exists() else []:
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            ours = mark in (entry / "environ").read_bytes().split(b"\0")
            if not ours and data is not None:
                ours = (entry / "cwd").readlink() == data and (entry / "comm").read_text().startswith("postgres")
            if ours and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(entry.name))
        except OSError:  # it has ended meanwhile, or belongs to another user
            continue
    return found


def stop_leftovers(folder: Path, data: Path, patience: float = 12.0) -> int:
    """Stop the processes that an earlier start left in this run folder; return their number.

    Supervisors stop their commands when their parent has ended; this waits for that before it kills.
    """
    first = find_processes(folder, data)
    deadline = time.monotonic() + patience
    while left := find_processes(folder, data):
        if time.monotonic() > deadline:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            if time.monotonic() > deadline + 5:
                break
        time.sleep(0.05)
    return len(first)
