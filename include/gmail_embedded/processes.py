"""The child processes: started under a guard, watched, ended, and found again after an accident."""

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

from gmail_embedded import supervisor as guard
from gmail_embedded.errors import NotReadyError, ProcessDiedError

MARK = "GMAIL_EMBEDDED_RUN"
"""Environment variable by which a process of a run folder is known; its value is the folder."""

TAIL_LINES = 15
Mask = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to run and how to end it."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    cwd: Path
    service: bool = False
    """Whether it should run for good, so that its end is a failure whatever its exit code is."""
    grace: float = 8.0
    stop_signal: signal.Signals = signal.SIGTERM
    user: str | None = None
    capability: int | None = None
    pass_fds: Sequence[int] = ()


@dataclass
class Child:
    """A command that was started."""

    command: Command
    guard: subprocess.Popen[bytes]
    started: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        """Return what the process is called."""
        return self.command.name

    def exit_code(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self.guard.poll()


class Family:
    """All children of one run folder.

    Args:
        folder: the run folder, which marks the processes.
        mask: replaces secrets in what is shown of a log.
    """

    def __init__(self, folder: Path, mask: Mask) -> None:
        self._folder, self._mask = folder, mask
        self._children: list[Child] = []
        self._lifeline_out, self._lifeline_in = os.pipe()

    def start(self, command: Command) -> Child:
        """Start a command in a session of its own, its output appended to its log."""
        argv = [sys.executable, "-I", "-S", guard.__file__, "--lifeline", str(self._lifeline_out)]
        argv += ["--grace", str(command.grace), "--stop-signal", str(int(command.stop_signal))]
        if command.user:
            argv += ["--user", command.user]
        if command.capability is not None:
            argv += ["--capability", str(command.capability)]
        for descriptor in command.pass_fds:
            argv += ["--keep", str(descriptor)]
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  starting programs is what this is for
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
        """Run a command to its end.

        Raises:
            ProcessDiedError: if it fails.
            NotReadyError: if it takes longer than the timeout.
        """
        child = self.start(command)
        self.wait_for(child, lambda: child.exit_code() is not None, timeout, "still running")
        self._forget(child)

    def succeeds(self, command: Command, timeout: float) -> bool:
        """Run a command to its end and tell whether it succeeded in time; its failure is an answer, not an accident.

        Raises:
            ProcessDiedError: if one of the children dies meanwhile.
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
            child.guard.terminate()
            child.guard.wait()

    def wait_for(self, child: Child, ready: Callable[[], bool], timeout: float, reason: str) -> None:
        """Poll until ready; watch every child meanwhile.

        Raises:
            ProcessDiedError: if this child or another one dies.
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
        """Raise ProcessDiedError if a service has ended or a command has failed."""
        for child in self._children:
            code = child.exit_code()
            if code is not None and (code != 0 or child.command.service):
                raise ProcessDiedError(child.name, code, child.command.log, self.tail(child.command.log))

    def named(self, name: str) -> Child:
        """Return the child of this name that was started last."""
        return next(child for child in reversed(self._children) if child.name == name)

    def tail(self, log: Path) -> list[str]:
        """Return the last lines of a log, secrets masked."""
        try:
            with log.open(encoding="utf-8", errors="replace") as file:
                return [self._mask(line.rstrip()) for line in deque(file, TAIL_LINES)]
        except OSError:
            return []

    def stop(self, *children: Child) -> None:
        """Ask children to end, all at once, and wait; their guards kill what does not."""
        for child in children:
            if child.exit_code() is None:
                child.guard.terminate()
        for child in children:
            child.guard.wait()
            self._forget(child)

    def kill(self, child: Child) -> None:
        """End a child and everything below it at once, as when its machine loses power."""
        child.guard.send_signal(signal.SIGSTOP)  # it would ask the others to end, and they would know
        while left := guard.descendants(child.guard.pid):
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        child.guard.kill()
        child.guard.wait()
        self._forget(child)

    def close(self) -> None:
        """End every child, the last started ones first to know, and everything that was never recorded."""
        self.stop(*reversed(self._children))
        for end in (self._lifeline_in, self._lifeline_out):
            os.close(end)

    def _forget(self, child: Child) -> None:
        if child in self._children:
            self._children.remove(child)


def alive(folder: Path, data: Path | None = None) -> list[int]:
    """Return the processes of a run folder: those that carry its mark, and a PostgreSQL that works in `data`.

    PostgreSQL overwrites its environment with its title, so it is known by its working directory. Needs /proc.
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
        except OSError:  # it has ended meanwhile, or belongs to somebody else
            continue
    return found


def end_leftovers(folder: Path, data: Path, patience: float = 12.0) -> int:
    """End what an earlier start left behind in this run folder; return how many processes there were.

    Guards end their commands by themselves when their parent has died; that is waited for first.
    """
    first = alive(folder, data)
    deadline = time.monotonic() + patience
    while left := alive(folder, data):
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
