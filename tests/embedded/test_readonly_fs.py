"""A command on a read-only file system writes only to writable folders, and leaves no mounts behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gmail_embedded import readonly_fs

OBSTACLE = readonly_fs.find_obstacle()
"""Empty if the machine allows it; otherwise the tests check that the reason is reported and nothing is run."""


def run(script: str, folder: Path, **folders: list[Path]) -> subprocess.CompletedProcess[str]:
    argv = readonly_fs.build_command(["/bin/sh", "-c", script], **folders)
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("{folder}/data/new", True),
        ("{folder}/new", False),
        ("{home}/gmail-warmup-new", False),
        ("/tmp/gmail-warmup-new", True),
        ("/dev/null", True),
    ],
)
def test_only_what_is_named_can_be_written(tmp_path: Path, target: str, allowed: bool) -> None:
    data = tmp_path / "data"
    data.mkdir()
    place = target.format(folder=tmp_path, home=Path.home())
    done = run(f"pwd; touch {place}", tmp_path, needed=[tmp_path], writable=[data])
    if OBSTACLE:
        assert done.returncode == 126
        assert OBSTACLE in done.stderr
        return
    assert done.stdout == f"{tmp_path}\n"
    assert (done.returncode == 0) is allowed, done.stderr
    assert (data / "new").exists() is (place == str(data / "new"))
    assert not Path("/tmp/gmail-warmup-new").exists(), "its /tmp is its own"


def test_it_begins_with_an_empty_tmp(tmp_path: Path) -> None:
    done = run("ls -A /tmp | wc -l", tmp_path, needed=[tmp_path])
    assert OBSTACLE or int(done.stdout) == int(tmp_path.is_relative_to("/tmp"))


def test_the_process_stays_the_same_and_its_end_is_the_commands(tmp_path: Path) -> None:
    argv = readonly_fs.build_command(["/bin/sh", "-c", "echo $$; exit 7"], needed=[tmp_path])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout
        told = process.stdout.read()
    assert OBSTACLE or (int(told), process.returncode) == (process.pid, 7)


def test_what_cannot_be_run_is_named(tmp_path: Path) -> None:
    argv = readonly_fs.build_command([os.fspath(tmp_path / "nothing")], needed=[tmp_path])
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 126
    assert f"cannot run {tmp_path}/nothing" in done.stderr
