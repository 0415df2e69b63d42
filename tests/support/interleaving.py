"""Force two transactions into one order: hold a lock, start the other one, continue when it waits for the lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from support.world import World

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
_SECONDS = 60


def until(condition: Callable[[], bool]) -> None:
    """Return when a condition, which reads the database, is met."""
    ends = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < ends


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


def results(running: Sequence[Future[Any]]) -> list[Any]:
    """Return the results, in the order of the futures."""
    return [future.result(timeout=_SECONDS) for future in running]
