"""Write a file completely or not at all, readable only by its owner.

The text is written to a temporary file next to the target, which then replaces the target. The writing process holds
a lock on it, which the kernel releases when the process ends: a temporary file without a lock was left by a killed
process, and the next export to the same target removes it.
"""

from __future__ import annotations

import fcntl
import glob
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from gmail_warmup.core.errors import InvalidInputError

_SUFFIX = ".partial"


def write_private_file(file: Path, parts: Iterable[str]) -> None:
    """Write a text in parts to a temporary file, then replace the target.

    Of two exports to the same target at the same time, the one that finishes last replaces the other's file.

    Raises:
        InvalidInputError: if it cannot be written; a former file is then unchanged.
    """
    try:
        _remove_leftovers(file)
        descriptor, name = _create_temporary_file(file)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
                opened.writelines(parts)
                opened.flush()
                os.fsync(descriptor)
                os.replace(name, file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be written: {error.strerror}.") from None


def is_present(file: Path) -> bool:
    """Return whether something has this name.

    Raises:
        InvalidInputError: if nothing can have it, for example because it is too long.
    """
    try:
        return file.exists()
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be written: {error.strerror}.") from None


def _remove_leftovers(file: Path) -> None:
    """Remove temporary files of this target whose writer no longer runs; links are not followed."""
    for leftover in file.parent.glob(f"{glob.escape(_prefix(file))}*{_SUFFIX}"):
        with suppress(OSError), open(leftover, "ab", opener=_open_without_links) as opened:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()


def _open_without_links(name: str, flags: int) -> int:
    return os.open(name, flags & ~os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK)


def _create_temporary_file(file: Path) -> tuple[int, str]:
    """Create and lock a temporary file with mode 0600."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_prefix(file), suffix=_SUFFIX, dir=file.parent)
        with suppress(OSError):  # a file system without locks: nothing is removed there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, name
        os.close(descriptor)  # another export removed it before it was locked


def _prefix(file: Path) -> str:
    return f".{file.name}."
