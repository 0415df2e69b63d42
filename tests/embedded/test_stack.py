"""The whole stack starts, a signal at any moment stops all of it, and the next start works."""

from __future__ import annotations

import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded.kit import until
from gmail_embedded.processes import find_processes
from gmail_embedded.stack import Options, Stack

pytestmark = pytest.mark.e2e

START = """
import signal
import sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # it may be ignored, as under nohup
from gmail_embedded import console
from gmail_embedded.stack import Stack
from gmail_embedded.progress import Progress

def main():
    with Stack(sys.argv[1]) as stack:
        stack.start(Progress().step)
        print("ready", flush=True)
        stack.wait_for_exit()

console.run_command(main)
"""


def _holds(log: Path, text: str) -> bool:
    return log.exists() and text in log.read_text(errors="replace")


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "initdb": lambda folder: any((folder / "postgres.new").glob("base/*")),
    "migration": lambda folder: _holds(folder / "logs" / "prepare.log", "Creating Airflow database tables"),
    "initialisation": lambda folder: _holds(folder / "logs" / "prepare.log", "Database migration done!"),
    "airflow": lambda folder: (folder / "logs" / "triggerer.log").exists(),
    "running": lambda folder: False,  # until it prints that it is ready
}


def _start_and_end(program: Callable[..., subprocess.Popen[str]], folder: Path, moment: str, number: int) -> int:
    for log in (folder / "logs").glob("*.log"):
        log.unlink()
    process = program(START, folder, HOME="/nonexistent")
    if moment == "running":
        assert process.stdout
        assert process.stdout.readline() == "ready\n", process.stderr.read() if process.stderr else ""
    else:
        # The files of an interrupted initdb look like a running one, so a process must run too.
        until(lambda: find_processes(folder, folder / "postgres") and MOMENTS[moment](folder), f"no {moment}", 180)
    assert find_processes(folder, folder / "postgres"), "nothing ran that could have been left behind"
    process.send_signal(number)
    code = process.wait(120)
    if number == signal.SIGKILL:  # then the supervisors stop their commands
        until(lambda: not find_processes(folder, folder / "postgres"), "processes were left behind")
    assert find_processes(folder, folder / "postgres") == []
    return code


def test_a_signal_at_any_moment_leaves_nothing_behind_and_the_next_start_works(
    program: Callable[..., subprocess.Popen[str]], short_folder: Path
) -> None:
    expected = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}
    rounds = [
        ("initdb", signal.SIGINT),
        ("initdb", signal.SIGKILL),
        ("migration", signal.SIGTERM),
        ("migration", signal.SIGKILL),
        ("initialisation", signal.SIGINT),
        ("airflow", signal.SIGKILL),
        ("airflow", signal.SIGINT),
        ("running", signal.SIGHUP),
        ("running", signal.SIGKILL),
    ]
    for moment, number in rounds:
        code = _start_and_end(program, short_folder, moment, number)
        assert code == expected[number], (moment, number)

    with Stack(short_folder, Options(sandbox=True)) as stack:
        stack.start()
        assert {state["status"] for state in stack.api.health().values()} == {"healthy"}
        for name in ("secrets.json", "passwords.json"):
            assert stat.S_IMODE((short_folder / name).stat().st_mode) == 0o600
    assert find_processes(short_folder, short_folder / "postgres") == []


def test_a_terminal_shows_that_it_is_stopping(short_folder: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", START, short_folder], stderr=theirs, start_new_session=True)
    os.close(theirs)
    until(lambda: find_processes(short_folder, short_folder / "postgres"), "nothing started", 180)
    process.send_signal(signal.SIGINT)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # the terminal has no other end any more
        pass
    os.close(ours)
    assert process.wait(120) == 130
    assert shown.count(b"Stopping, which takes some seconds") == 1
