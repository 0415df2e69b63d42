"""The supervisor stops a command and its descendants when the starting process ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedded.kit import until
from gmail_embedded.errors import NotReadyError, ProcessExitedError
from gmail_embedded.processes import Command, ProcessManager, find_processes, stop_leftovers

# A command that ignores all signals but SIGKILL and has a child in another session that does the same, as a task.
STUBBORN = """
import os, signal, subprocess, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, "-c", open("code").read(), "child"], start_new_session=True)
    if os.fork() == 0:
        if os.fork():
            os._exit(0)
        os.setsid()  # an orphan by now
print("up", flush=True)
time.sleep(600)
"""

PARENT = """
import sys, time
from pathlib import Path
from gmail_embedded.processes import Command, ProcessManager
folder = Path(sys.argv[1])
family = ProcessManager(folder, str)
family.start(Command(name="stubborn", argv=[sys.executable, "-c", (folder / "code").read_text()],
                     environment={}, log=folder / "log", cwd=folder, service=True, grace=0.2))
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "code").write_text(STUBBORN)
    return tmp_path


@pytest.fixture
def family(folder: Path) -> Iterator[ProcessManager]:
    family = ProcessManager(folder, lambda line: line.replace("hunter2", "***"))
    yield family
    family.close()


def command(folder: Path, *argv: str, **more: object) -> Command:
    defaults: dict = {"name": "it", "environment": {}, "log": folder / "log", "cwd": folder, "grace": 0.2}
    return Command(argv=argv, **(defaults | more))


def stubborn(folder: Path) -> Command:
    import sys

    return command(folder, sys.executable, "-c", STUBBORN, service=True)


def is_up(folder: Path) -> bool:
    log = folder / "log"
    return log.exists() and log.read_text().count("up") == 3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_death_of_the_parent_ends_everything(
    program: Callable[..., subprocess.Popen[str]], folder: Path, number: int
) -> None:
    parent = program(PARENT, folder)
    until(lambda: is_up(folder), "the command does not run")
    assert len(find_processes(folder)) == 4  # the supervisor too

    parent.send_signal(number)

    until(lambda: not find_processes(folder), "processes were left behind")


def test_stop_ends_orphans_in_other_sessions_too(folder: Path, family: ProcessManager) -> None:
    child = family.start(stubborn(folder))
    until(lambda: is_up(folder), "the command does not run")

    family.stop(child)

    assert find_processes(folder) == []


def test_a_killed_guard_takes_its_command_along_and_the_next_start_ends_the_rest(
    program: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    parent = program(PARENT, folder)
    until(lambda: is_up(folder), "the command does not run")
    command_lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in find_processes(folder)}
    supervisor = next(pid for pid, words in command_lines.items() if b"supervisor.py" in words)

    os.kill(supervisor, signal.SIGKILL)
    parent.kill()
    until(lambda: len(find_processes(folder)) == 2, "the command itself should have gone with its supervisor")

    assert stop_leftovers(folder, folder / "postgres", patience=0.1) == 2
    assert find_processes(folder) == []


def test_leftovers_of_another_folder_are_left_alone(folder: Path, family: ProcessManager, tmp_path: Path) -> None:
    family.start(stubborn(folder))
    until(lambda: is_up(folder), "the command does not run")

    assert stop_leftovers(tmp_path / "other", tmp_path / "other" / "postgres", patience=0) == 0
    assert len(find_processes(folder)) == 4


def test_a_command_that_ends_by_itself_gives_its_code_and_its_masked_last_lines(
    folder: Path, family: ProcessManager
) -> None:
    with pytest.raises(ProcessExitedError, match="it ended with exit code 3") as caught:
        family.run(command(folder, "/bin/sh", "-c", "echo password hunter2; exit 3"), 60)
    assert caught.value.tail == ("password ***",)
    assert str(folder / "log") in str(caught.value)


def test_a_service_that_ends_well_is_a_failure_too(folder: Path, family: ProcessManager) -> None:
    child = family.start(command(folder, "/bin/true", service=True))
    with pytest.raises(ProcessExitedError, match="exit code 0"):
        family.wait_for(child, lambda: False, 60, "never")


def test_a_program_that_is_not_there_is_named(folder: Path, family: ProcessManager) -> None:
    with pytest.raises(ProcessExitedError) as caught:
        family.run(command(folder, "/nonexistent/program"), 60)
    assert "/nonexistent/program" in caught.value.tail[-1]


def test_what_does_not_become_ready_is_named_with_its_reason(folder: Path, family: ProcessManager) -> None:
    child = family.start(command(folder, "/bin/sleep", "600", service=True))
    with pytest.raises(NotReadyError, match=r"it was not ready after 0 seconds \(it does not answer\)"):
        family.wait_for(child, lambda: False, 0.1, "it does not answer")


def test_the_environment_is_the_given_one_alone(
    folder: Path, family: ProcessManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "the caller's")
    family.run(command(folder, "/usr/bin/env", environment={"ONE": "1"}), 60)
    names = {line.partition("=")[0] for line in (folder / "log").read_text().splitlines()}
    assert names - {"PWD", "SHLVL", "_", "LC_CTYPE"} == {"ONE", "GMAIL_EMBEDDED_RUN", "SPT_NOENV"}


def test_a_kill_ends_a_command_and_all_below_it_and_is_no_accident(folder: Path, family: ProcessManager) -> None:
    child = family.start(stubborn(folder))
    until(lambda: is_up(folder), "the command is not up")
    family.kill(child)
    assert find_processes(folder) == []
    family.check()  # a service was stopped deliberately


@pytest.mark.parametrize(
    ("line", "seconds", "answer"),
    [("exit 0", 60, True), ("exit 1", 60, False), ("sleep 600", 1, False)],
    ids=["well", "badly", "too late"],
)
def test_a_question_is_answered_by_how_a_command_ends(
    folder: Path, family: ProcessManager, line: str, seconds: int, answer: bool
) -> None:
    assert family.succeeds(command(folder, "/bin/sh", "-c", line), timeout=seconds) is answer
    family.check()
    assert find_processes(folder) == []
