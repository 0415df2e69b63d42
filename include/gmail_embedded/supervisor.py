"""Run one command and see to it that nothing of it outlives the process that asked for it.

Started as a script, by path, with the standard library alone, so that it costs milliseconds. It reads from the
*lifeline*, a pipe of which the asking process holds the other end: when that process ends in whatever way, even by
SIGKILL, the pipe closes. Then, or at SIGTERM, the command is asked to end and after the grace everything that descends
from it is killed. Airflow's tasks have process groups of their own, so killing a group would miss them; as a
"subreaper" this process inherits every orphan below it and can find them all.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_SET_CHILD_SUBREAPER, _PR_CAP_AMBIENT = 1, 28, 36, 47
_SECBIT_NO_SETUID_FIXUP, _SECBIT_KEEP_CAPS = 1 << 2, 1 << 4
_CAPABILITY_VERSION_3 = 0x20080522
_LINUX = sys.platform == "linux"
_CANNOT_START = 126


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySet(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _libc(function: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _become(user: str, capability: int | None) -> None:
    """Become a user, keeping at most one capability of root.

    PostgreSQL refuses to run as root. Its own user may not be able to enter the checkout, as it is with root's home
    folder; the capability to pass folders is kept for that, instead of opening those folders to everybody.
    """
    entry = pwd.getpwnam(user)
    if capability is not None:
        # Without these bits access(2) of a process that is not root ignores its capabilities.
        _libc("prctl", _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP | _SECBIT_KEEP_CAPS, 0, 0, 0)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    if capability is not None:
        bit = 1 << capability
        sets = (_CapabilitySet * 2)()
        sets[0] = _CapabilitySet(bit, bit, bit)
        _libc("capset", ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION_3, 0)), sets)
        _libc("prctl", _PR_CAP_AMBIENT, 2, capability, 0, 0)


def _before_exec(user: str | None, capability: int | None) -> Callable[[], None]:
    def prepare() -> None:
        if user:
            _become(user, capability)
        if _LINUX:  # last: a change of user clears it
            _libc("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    return prepare


def descendants(root: int) -> list[int]:
    """Return the processes below one, at any depth, those that have ended already left out; needs /proc."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if _LINUX else []:
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(entry))
    found, open_ends = [], [root]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        found += below
        open_ends += below
    return found


class Guard:
    """Watches one command.

    Args:
        command: what to run.
        prepare: called in the new process before the command.
        stop_signal: how the command is asked to end.
        grace: seconds it may take for that.
        keep: descriptors that the command gets.
    """

    def __init__(
        self, command: list[str], prepare: Callable[[], None], stop_signal: int, grace: float, keep: list[int]
    ) -> None:
        self._stop_signal, self._grace = stop_signal, grace
        self._code: int | None = None
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        signal.set_wakeup_fd(self._wake_in, warn_on_full_buffer=False)
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        # Kept, for its finaliser would reap the process and lose its exit code.
        self._process = subprocess.Popen(  # noqa: S603  that is the task
            command, preexec_fn=prepare, process_group=0, pass_fds=keep
        )
        for descriptor in keep:  # or who reads them would never see their end
            os.close(descriptor)
        self._pid = self._process.pid

    def _ask(self, *_: object) -> None:
        self._asked = True

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._code = os.waitstatus_to_exitcode(status)

    def _pause(self, lifeline: int | None, seconds: float | None) -> bool:
        """Wait for a signal or the end of the lifeline; say whether it ended."""
        watched = [self._wake_out] + ([lifeline] if lifeline is not None else [])
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._wake_out in ready:
            os.read(self._wake_out, 4096)
        return lifeline is not None and lifeline in ready

    def run(self, lifeline: int) -> int:
        """Wait for the command's end or for the call to end it; return its exit code."""
        while self._code is None and not self._asked:
            if self._pause(lifeline, None):
                break
            self._reap()
        if self._code is None:
            self._end()
        self._kill_rest()
        code = self._code if self._code is not None else -signal.SIGKILL
        return code if code >= 0 else 128 - code

    def _end(self) -> None:
        try:
            os.kill(self._pid, self._stop_signal)
        except ProcessLookupError:
            pass
        deadline = time.monotonic() + self._grace
        while self._code is None and time.monotonic() < deadline:
            self._pause(None, min(0.2, max(0.0, deadline - time.monotonic())))
            self._reap()

    def _kill_rest(self) -> None:
        while left := descendants(os.getpid()):
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._pause(None, 0.02)
            self._reap()
        if not _LINUX:
            try:
                os.killpg(self._pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self._reap()


def main() -> int:
    """Read the command line, run, return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lifeline", type=int, required=True)
    parser.add_argument("--grace", type=float, required=True)
    parser.add_argument("--stop-signal", type=int, required=True)
    parser.add_argument("--keep", type=int, action="append", default=[])
    parser.add_argument("--user")
    parser.add_argument("--capability", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    os.set_inheritable(given.lifeline, False)
    if _LINUX:
        _libc("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        guard = Guard(command, _before_exec(given.user, given.capability), given.stop_signal, given.grace, given.keep)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr)
        return _CANNOT_START
    return guard.run(given.lifeline)


if __name__ == "__main__":
    sys.exit(main())
