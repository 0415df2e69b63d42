"""Processes that do what one task does, and can be killed at it: forked, so that a thousand of them cost minutes."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from importlib import import_module
from typing import Any

from bench.orders import Job
from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings
from gmail_warmup.db import statement_cache
from gmail_warmup.warmup.actions.run import run_action
from support.workers import hook
from support.world import World


def act(world: World, action: Action, address: str, settings: Settings) -> dict[str, int]:
    """Do what is due for an action in one mailbox, as a task does."""
    world.settings = settings
    return run_action(
        action, world.mailbox(address), engine=world.store.engine, settings=settings, gmail=hook(world, address)
    )


def begin(world: World, *, work: Job = act, **arguments: Any) -> int:
    """Do some work, by default what is due for an action in one mailbox, in a process of its own; return its id.

    A job for a worker.
    """
    _preload()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        world.store.engine = statement_cache.take_prepared_engine(world.store.engine.url)
        work(world, **arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


@functools.cache
def _preload() -> None:
    """Load what tasks need before they are forked, as a worker of Airflow does."""
    import_module("gmail_warmup.preload")


def end(world: World, *, pid: int) -> int:
    """Wait for a process that was begun; return its exit code, negative for the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
