"""Force two transactions into one order: hold a lock, start the other one, continue when it waits for the lock.

Requests to the stand-in for Google are held in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from gmail_sandbox.client import SandboxClient
from support.world import World

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
_SECONDS, _PAUSE = 60, 0.01


def until(condition: Callable[[], bool]) -> None:
    """Return when a condition, which reads the database or asks the stand-in for Google, is met."""
    ends = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < ends
        time.sleep(_PAUSE)


def until_waiting(world: World, *running: Future[Any]) -> None:
    """Return when all of these are waiting for a lock in the database.

    Raises:
        AssertionError: one of them has finished instead.
    """
    until = time.monotonic() + _SECONDS
    while world.rows(_WAITING) != [(len(running),)]:
        for future in running:
            assert not future.done(), future.exception() or "it did not wait"
        assert time.monotonic() < until
        time.sleep(_PAUSE)


def results(running: Sequence[Future[Any]]) -> list[Any]:
    """Return the results, in the order of the futures."""
    return [future.result(timeout=_SECONDS) for future in running]


@contextmanager
def holding(sandbox: SandboxClient, where: str, **fault: Any) -> Iterator[Callable[[], None]]:
    """Hold requests at the stand-in for Google until the block ends; yield a function that waits for the first one.

    A delay would end too early on a busy machine.
    """
    fault_id = sandbox.add_fault(where, hold=True, **fault).id

    def until_held() -> None:
        until(lambda: any(one.hits for one in sandbox.faults() if one.id == fault_id))

    try:
        yield until_held
    finally:
        sandbox.clear_faults(fault_id)
