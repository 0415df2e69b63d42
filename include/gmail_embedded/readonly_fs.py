"""Run one command on a read-only file system, as in a container with a read-only root.

Run as a script, by path, with only the standard library; it executes the command in its own process. The command gets
its own mount namespace, see mount_namespaces(7): an empty `/tmp` in which needed folders stay visible, and everything
read-only except `/tmp`, the devices and the writable folders. Works for root, and for other users if the machine allows
user namespaces.
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


def _call_libc(function: str, *arguments: object) -> None:
    # supervisor.py has the same function: scripts that are run by path cannot import each other.
    if not hasattr(library := ctypes.CDLL(None, use_errno=True), function):
        raise OSError(errno.ENOSYS, f"{function} exists only on Linux")
    if getattr(library, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _bind(source: str | Path, target: Path) -> None:
    _call_libc("mount", os.fsencode(source), os.fsencode(target), None, _MS_BIND | _MS_REC, None)


def _set_writable(path: Path, *, writing: bool, below: bool) -> None:
    """Set whether the mount at a path, and optionally those below it, is writable."""
    attributes = _Attributes(0, _MOUNT_ATTR_RDONLY) if writing else _Attributes(_MOUNT_ATTR_RDONLY, 0)
    flags, size = _AT_RECURSIVE if below else 0, ctypes.sizeof(_Attributes)
    _call_libc("syscall", _SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, ctypes.byref(attributes), size)


def _unshare_mounts() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call_libc("unshare", _CLONE_NEWNS | (0 if uid == 0 else _CLONE_NEWUSER))
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            Path("/proc/self", name).write_text(text, encoding="ascii")
    _call_libc("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)


def build_command(argv: Sequence[str], *, needed: Sequence[Path] = (), writable: Sequence[Path] = ()) -> list[str]:
    """Return a command that runs another command on a read-only file system; see `make_read_only` for the folders."""
    words = [word for folder in needed for word in ("--needed", str(folder))]
    words += [word for folder in writable for word in ("--writable", str(folder))]
    return [sys.executable, "-I", "-S", __file__, *words, "--", *argv]


def find_obstacle() -> str:
    """Return why this machine does not allow it, or an empty string."""
    try:
        # In the root folder, because the current one may be below /tmp.
        argv = build_command(["/bin/sh", "-c", ":"])
        done = subprocess.run(argv, capture_output=True, text=True, cwd="/", check=False)  # noqa: S603
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return done.stderr.strip().rpartition("file system: ")[2] or f"exit code {done.returncode}"


@contextmanager
def _keep_visible(folders: Sequence[Path]) -> Iterator[None]:
    """Keep folders below `/tmp` visible when an empty `/tmp` is mounted over them."""
    hidden = [(folder, os.open(folder, os.O_PATH)) for folder in folders if folder.is_relative_to(_TMP)]
    yield
    for folder, descriptor in hidden:
        folder.mkdir(parents=True, exist_ok=True)
        _bind(f"/proc/self/fd/{descriptor}", folder)
        os.close(descriptor)


def make_read_only(*, needed: Sequence[Path], writable: Sequence[Path]) -> None:
    """Make everything read-only for this process and its descendants.

    Args:
        needed: folders that must stay visible if they are below `/tmp`.
        writable: existing folders that stay writable.

    Raises:
        OSError: if the machine does not allow it.
    """
    _unshare_mounts()
    with _keep_visible(needed):
        _call_libc("mount", b"tmpfs", os.fsencode(_TMP), b"tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=1777")
    for folder in writable:
        _bind(folder, folder)
    _set_writable(Path("/"), writing=False, below=True)
    _set_writable(_TMP, writing=True, below=False)  # not the folders that were mounted in it
    for folder in (*writable, _DEVICES):
        _set_writable(folder, writing=True, below=True)


def main() -> int:
    """Parse the command line, make the file system read-only and execute the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--needed", type=Path, action="append", default=[])
    parser.add_argument("--writable", type=Path, action="append", default=[])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    argv = given.command[1:] if given.command[:1] == ["--"] else given.command
    here = Path.cwd()
    try:
        make_read_only(needed=given.needed, writable=given.writable)
        os.chdir(here)  # the same folder in the new namespace
        os.execv(argv[0], argv)  # noqa: S606  the purpose of this script
    except OSError as error:
        print(f"cannot run {argv[0]} on a read-only file system: {error}", file=sys.stderr)
        return _CANNOT_START


if __name__ == "__main__":
    sys.exit(main())
