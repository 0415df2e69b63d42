"""Run one command and stop it, with all its descendants, when the process that started it ends.

Run as a script, by path, with only the standard library, so that it starts in milliseconds. It watches the *lifeline*,
a pipe whose other end the starting process keeps open: when that process ends, even by SIGKILL, the pipe closes. Then,
or on SIGTERM, the command receives its stop signal, and after the grace period all its descendants are killed.
Airflow's tasks have their own process groups, so killing the group would miss them; as a "subreaper" this process
inherits every orphan and finds them all.
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


def _call_libc(function: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _switch_user(user: str, capability: int | None) -> None:
    """Switch to a user, keeping at most one capability of root.

    PostgreSQL refuses to run as root. Its user may be unable to enter the checkout, for example in root's home folder;
    the capability to enter folders is kept for that, instead of making those folders public.
    """
    entry = pwd.getpwnam(user)
    if capability is not None:
        # Without these bits access(2) ignores the capabilities of a process that is not root.
        _call_libc("prctl", _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP | _SECBIT_KEEP_CAPS, 0, 0, 0)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    if capability is not None:
        bit = 1 << capability
        sets = (_CapabilitySet * 2)()
        sets[0] = _CapabilitySet(bit, bit, bit)
        _call_libc("capset", ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION_3, 0)), sets)
        _call_libc("prctl", _PR_CAP_AMBIENT, 2, capability, 0, 0)


def _build_preexec(user: str | None, capability: int | None) -> Callable[[], None]:
    def prepare() -> None:
        if user:
            _switch_user(user, capability)
        if _LINUX:  # last: a change of user clears it
            _call_libc("prctl", _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    return prepare


def find_descendants(root: int) -> list[int]:
    """Return the running descendants of a process; needs /proc."""
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
    found, pending = [], [root]
    while pending:
        direct = children.get(pending.pop(), [])
        found += direct
        pending += direct
    return found


class Supervisor:
    """Runs one command.

    Args:
        command: the command line.
        prepare: called in the new process before the command.
        stop_signal: the signal that stops the command.
        grace: seconds between the stop signal and SIGKILL.
        keep: file descriptors that the command inherits.
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
        self._stop_requested = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._request_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        # The object is kept: its finaliser would reap the process and lose the exit code.
        self._process = subprocess.Popen(  # noqa: S603  the purpose of this script
            command, preexec_fn=prepare, process_group=0, pass_fds=keep
        )
        for descriptor in keep:  # otherwise their readers never see end of file
            os.close(descriptor)
        self._pid = self._process.pid

    def _request_stop(self, *_: object) -> None:
        self._stop_requested = True

    def _reap_children(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._code = os.waitstatus_to_exitcode(status)

    def _wait_for_event(self, lifeline: int | None, seconds: float | None) -> bool:
        """Wait for a signal or the end of the lifeline; return whether the lifeline closed."""
        watched = [self._wake_out] + ([lifeline] if lifeline is not None else [])
        ready, _, _ = select.select(watched, [], [], seconds)
        if self._wake_out in ready:
            os.read(self._wake_out, 4096)
        return lifeline is not None and lifeline in ready

    def run(self, lifeline: int) -> int:
        """Wait until the command ends or must be stopped; return its exit code."""
        while self._code is None and not self._stop_requested:
            if self._wait_for_event(lifeline, None):
                break
            self._reap_children()
        if self._code is None:
            self._stop_command()
        self._kill_descendants()
        code = self._code if self._code is not None else -signal.SIGKILL
        return code if code >= 0 else 128 - code

    def _stop_command(self) -> None:
        try:
            os.kill(self._pid, self._stop_signal)
        except ProcessLookupError:
            pass
        deadline = time.monotonic() + self._grace
        while self._code is None and time.monotonic() < deadline:
            self._wait_for_event(None, min(0.2, max(0.0, deadline - time.monotonic())))
            self._reap_children()

    def _kill_descendants(self) -> None:
        while left := find_descendants(os.getpid()):
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self._wait_for_event(None, 0.02)
            self._reap_children()
        if not _LINUX:
            try:
                os.killpg(self._pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self._reap_children()


def main() -> int:
    """Parse the command line, run the command and return its exit code."""
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
        _call_libc("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        supervisor = Supervisor(
            command, _build_preexec(given.user, given.capability), given.stop_signal, given.grace, given.keep
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr)
        return _CANNOT_START
    return supervisor.run(given.lifeline)


if __name__ == "__main__":
    sys.exit(main())
