"""Private files: complete or not at all, and readable only by their owner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.transfer.documents.private_file import write_private_file


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
