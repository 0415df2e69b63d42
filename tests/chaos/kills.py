"""Killing a process at a moment of its work, for certain; and cutting its connection to the database instead."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from bench.fleet import Worker
from bench.orders import Job
from chaos.moments import AtGmail, InDatabase
from chaos.victims import begin, end
from support.world import World

PATIENCE = 120
"""Seconds in which what goes on in another process has to happen, on a busy machine too."""


def until(condition: Callable[[], bool], otherwise: str, *, seconds: float = PATIENCE, pause: float = 0.005) -> None:
    """Wait for something that happens in another process, and look for it after each pause."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, otherwise
        time.sleep(pause)


def kill_at(worker: Worker, world: World, moment: AtGmail | InDatabase, job: Job, **arguments: Any) -> None:
    """Do a job in a process of its own, and kill it as the kernel does when it has come to a moment."""
    with moment.held(world):
        pid = worker.do(begin, work=job, **arguments)
        until(lambda: moment.reached(world), f"{job.__name__} did not come to {moment}")
        os.kill(pid, signal.SIGKILL)
        assert worker.do(end, pid=pid) == -signal.SIGKILL


def cut_at(worker: Worker, world: World, moment: InDatabase, job: Job, **arguments: Any) -> None:
    """Do a job, and let PostgreSQL end its session when it has come to a moment; it may say what it likes to that."""
    with moment.held(world):
        worker.order(job, **arguments)
        until(lambda: moment.reached(world), f"{job.__name__} did not come to {moment}")
        world.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        worker.result()
