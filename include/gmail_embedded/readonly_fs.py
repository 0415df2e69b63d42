"""Run one command as a container with a read-only root file system would: nothing but what is named can be written.

Started as a script, by path, with the standard library alone; it becomes the command, so its process stays the same.
The command gets a view of the file system of its own (a mount namespace, see mount_namespaces(7)): an empty `/tmp`, in
which the folders that it needs are found as before, and everything read-only but that, the devices and the folders
named. Root may do so, others where the machine allows user namespaces.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x1000, 0x4000, 0x40000
_SYS_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 0x1
_TMP = Path("/tmp")  # noqa: S108  the folder itself is meant
_DEVICES = Path("/dev")
_CANNOT_START = 126


class _Attributes(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd"))


def _call(function: str, *arguments: object) -> None:
    # The guard has the like: two scripts that are run by path import nothing of each other.
    if not hasattr(library := ctypes.CDLL(None, use_errno=True), function):
        raise OSError(errno.ENOSYS, f"{function} is Linux's alone")
    if getattr(library, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _bind(source: str | Path, target: Path) -> None:
    _call("mount", os.fsencode(source), os.fsencode(target), None, _MS_BIND | _MS_REC, None)


def _allow(path: Path, *, writing: bool, below: bool) -> None:
    """Set whether what is mounted at a path, and below it if wanted, can be written."""
    attributes = _Attributes(0, _MOUNT_ATTR_RDONLY) if writing else _Attributes(_MOUNT_ATTR_RDONLY, 0)
    flags, size = _AT_RECURSIVE if below else 0, ctypes.sizeof(_Attributes)
    _call("syscall", _SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, ctypes.byref(attributes), size)


def _own_view() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWNS | (0 if uid == 0 else _CLONE_NEWUSER))
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)


def command(argv: Sequence[str], *, needed: Sequence[Path] = (), writable: Sequence[Path] = ()) -> list[str]:
    """Return a command that runs another one on a read-only file system; see `seal` for the folders."""
    words = [word for folder in needed for word in ("--needed", str(folder))]
    words += [word for folder in writable for word in ("--writable", str(folder))]
    return [sys.executable, "-I", "-S", __file__, *words, "--", *argv]


def obstacle() -> str:
    """Return why this machine allows no such thing; nothing if it does."""
    try:
        # In the root folder, for the one of the caller may be below /tmp.
        argv = command(["/bin/sh", "-c", ":"])
        done = subprocess.run(argv, capture_output=True, text=True, cwd="/", check=False)  # noqa: S603
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return done.stderr.strip().rpartition("file system: ")[2] or f"exit code {done.returncode}"


@contextmanager
def _kept(folders: Sequence[Path]) -> Iterator[None]:
    """Keep what is below `/tmp` at its place while an empty `/tmp` is put over it."""
    hidden = [(folder, os.open(folder, os.O_PATH)) for folder in folders if folder.is_relative_to(_TMP)]
    yield
    for folder, descriptor in hidden:
        folder.mkdir(parents=True, exist_ok=True)
        _bind(f"/proc/self/fd/{descriptor}", folder)
        os.close(descriptor)


def seal(*, needed: Sequence[Path], writable: Sequence[Path]) -> None:
    """Make everything read-only for this process and those below it.

    Args:
        needed: folders that must stay visible if they are below `/tmp`.
        writable: folders that stay writable; they exist.

    Raises:
        OSError: if the machine does not allow it.
    """
    _own_view()
    with _kept(needed):
        _call("mount", b"tmpfs", os.fsencode(_TMP), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=1777")
    for folder in writable:
        _bind(folder, folder)
    _allow(Path("/"), writing=False, below=True)
    _allow(_TMP, writing=True, below=False)  # not the folders that were put back
    for folder in (*writable, _DEVICES):
        _allow(folder, writing=True, below=True)


def main() -> int:
    """Read the command line, seal, become the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--needed", type=Path, action="append", default=[])
    parser.add_argument("--writable", type=Path, action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    argv = given.command[1:] if given.command[:1] == ["--"] else given.command
    here = Path.cwd()
    try:
        seal(needed=given.needed, writable=given.writable)
        os.chdir(here)  # the same folder, as it is in the new view
        os.execv(argv[0], argv)  # noqa: S606  that is the task
    except OSError as error:
        print(f"cannot run {argv[0]} on a read-only file system: {error}", file=sys.stderr)
        return _CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
