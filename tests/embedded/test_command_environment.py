"""The file with the environment of a running installation: for ``make cli``, and for a shell that sources it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmail_embedded.command_environment import (
    describe_commands,
    read_environment,
    remove_environment,
    run_command,
    write_environment,
)
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.runfolder import RunFolder

ENVIRONMENT = {
    "AIRFLOW_HOME": "/srv/air flow",
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": '[{"name": "it\'s $HOME `id`"}]',
    "GOOGLE_CLIENT_ID": "1.apps.example.com",
    "GOOGLE_CLIENT_SECRET": "only for init",
    "HOME": "/nowhere",
    "PATH": "/nowhere/bin",
    "NO_COLOR": "1",
}
KEPT = {name: ENVIRONMENT[name] for name in list(ENVIRONMENT)[:3]}
HOLD = """
import sys, time
from pathlib import Path
from gmail_embedded.command_environment import write_environment
from gmail_embedded.runfolder import RunFolder
folder = RunFolder(Path(sys.argv[1]))
folder.lock()
write_environment(folder, {"AIRFLOW_HOME": sys.argv[1], "AIRFLOW__CORE__FERNET_KEY": ""})
print("locked", flush=True)
time.sleep(600)
"""
RUN = """
import os, sys
from pathlib import Path
from gmail_embedded import command_environment
os.execve = lambda program, words, environment: print(Path(program).name, *words[1:], environment["AIRFLOW_HOME"],
    environment.get("AIRFLOW__CORE__PARALLELISM"), environment["HOME"], sep="|")
command_environment.run_command(sys.argv[2:], runs=Path(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    made = RunFolder(tmp_path / "up")
    made.lock()
    write_environment(made, ENVIRONMENT)
    yield made
    made.unlock()


def test_the_file_is_private_and_holds_what_a_command_needs(folder: RunFolder) -> None:
    assert stat.S_IMODE(folder.environment_file.stat().st_mode) == 0o600
    assert read_environment(folder.environment_file) == KEPT
    remove_environment(folder)
    remove_environment(folder)
    assert not folder.environment_file.exists()


def test_a_shell_that_sources_it_has_the_same_variables_and_the_programs(folder: RunFolder) -> None:
    line = describe_commands(folder).splitlines()[1].partition("source ")[2]
    script = f"source {line} && {sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    done = subprocess.run(["bash", "-c", script], env={"PATH": os.defpath}, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {name: found[name] for name in KEPT} == KEPT
    assert found["PATH"].split(":")[0] == str(Path(sys.prefix) / "bin")
    assert "GOOGLE_CLIENT_SECRET" not in found


def test_a_command_runs_in_the_installation_that_was_started_last(
    program: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    for name in ("up", "demo"):
        owner = program(HOLD, tmp_path / name)
        assert owner.stdout
        owner.stdout.readline()
    os.utime(tmp_path / "up" / "environment.sh", (1, 1))
    environment = os.environ | {"AIRFLOW__CORE__PARALLELISM": "of another Airflow", "HOME": "/home/ada"}
    words = ["mailboxes", "pause", "--reason", "on leave"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path), *words], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"gmail-warmup|{'|'.join(words)}|{tmp_path / 'demo'}|None|/home/ada"


def test_a_file_that_a_killed_installation_left_does_not_count(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "up")
    folder.lock()
    write_environment(folder, ENVIRONMENT)
    folder.unlock()
    with pytest.raises(EmbeddedError, match="Start one with 'make demo' or 'make up'"):
        run_command(["doctor"], runs=tmp_path)
