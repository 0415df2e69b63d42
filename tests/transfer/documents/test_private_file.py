"""Private files: complete or not at all, and readable only by their owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.transfer.documents.private_file import write_private_file

WRITER = """
import sys
from pathlib import Path
from gmail_warmup.transfer.documents.private_file import write_private_file

def parts():
    yield "x" * 100_000
    print("writing", flush=True)
    yield sys.stdin.read()

write_private_file(Path(sys.argv[1]), parts())
"""
"""A process that has written the first part and waits for the second one on its stdin."""


def start_writer(file: Path) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout
    assert writer.stdout.readline() == "writing\n"
    return writer


def broken() -> Iterator[str]:
    yield "the first part"
    raise RuntimeError("the database is gone")


@pytest.mark.parametrize("former", [None, "the former text"])
def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path: Path, former: str | None):
    file = tmp_path / "file.json"
    if former:
        file.write_text(former)
    with pytest.raises(RuntimeError):
        write_private_file(file, broken())
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == (
        [(file.name, former)] if former else []
    )


def test_a_file_is_readable_only_by_its_owner(tmp_path: Path):
    file = tmp_path / "file.json"
    file.write_text("the former text")
    file.chmod(0o644)
    write_private_file(file, ["a", "b"])
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("ab", 0o600)
    with pytest.raises(InvalidInputError, match="cannot be written"):
        write_private_file(tmp_path / "none" / "file.json", ["a"])


@pytest.mark.parametrize("name", ["file.json", "ada+[tag]*@warm.example.json", "export"])
def test_the_next_export_removes_what_a_killed_one_left(tmp_path: Path, name: str):
    file = tmp_path / name
    file.write_text("the former text")
    with start_writer(file) as writer:
        writer.send_signal(signal.SIGKILL)
    left = [found for found in tmp_path.iterdir() if found != file]
    assert [found.stat().st_mode & 0o777 for found in left] == [0o600]
    assert file.read_text() == "the former text"
    write_private_file(file, ["new"])
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [(name, "new")]


def test_two_exports_at_the_same_time_do_not_disturb_each_other(tmp_path: Path):
    file = tmp_path / "file.json"
    with start_writer(file) as writer:
        write_private_file(file, ["the second one"])
        assert file.read_text() == "the second one"
        writer.communicate("end")
    assert writer.returncode == 0
    assert [(found.name, found.read_text()[-5:]) for found in tmp_path.iterdir()] == [(file.name, "xxend")]


def test_links_and_pipes_of_others_are_neither_followed_nor_waited_for(tmp_path: Path):
    file = tmp_path / "out" / "file.json"
    file.parent.mkdir()
    other = tmp_path / "other"
    other.write_text("of another file")
    file.symlink_to(other)
    (file.parent / ".file.json.a.partial").symlink_to(other)
    os.mkfifo(file.parent / ".file.json.b.partial")
    (file.parent / ".file.json.c.partial").mkdir()
    write_private_file(file, ["new"])
    assert (other.read_text(), file.read_text(), file.is_symlink()) == ("of another file", "new", False)
