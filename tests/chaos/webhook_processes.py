"""Processes that make transitions and deliver webhooks until they are killed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

import sqlalchemy as sa

from gmail_warmup.alerts.webhooks.delivery import deliver_webhooks
from gmail_warmup.alerts.webhooks.receivers import build_receiver
from gmail_warmup.db.engine import make_engine
from support.webhook_kit import POLICY, SECRET, make_transition

_CONTEXT = get_context("forkserver")
# The server of the processes does not have the tests' folder in its path: it would leave out a module of the tests
# without a message, and each process would import everything by itself.
_CONTEXT.set_forkserver_preload(["gmail_warmup.alerts.webhooks.delivery", "psycopg2", "standardwebhooks"])


def deliver(url: str, receivers: dict[str, str]) -> None:
    """Deliver what is due, again and again.

    Args:
        receivers: the URLs by the ids of the receivers.
    """
    engine = make_engine(url, pooled=True)
    while True:
        deliver_once(engine, receivers)
        time.sleep(0.01)


def deliver_once(engine: sa.Engine, receivers: dict[str, str]) -> None:
    """Deliver what is due now; the arguments are those of ``deliver``."""
    built = [
        build_receiver(conn_id, url=address, signing_secrets=[SECRET], events=None, allow_private=True)
        for conn_id, address in receivers.items()
    ]
    deliver_webhooks(engine, built, replace(POLICY, timeout=2, retry_days=30))


def produce(url: str, mailbox_ids: Sequence[int], numbers: Sequence[int]) -> None:
    """Make transitions with these numbers as their reasons, in random mailboxes, each in a transaction of its own."""
    engine = make_engine(url, pooled=True)
    draw = random.Random(numbers[0] if numbers else 0)
    for number in numbers:
        before, after = draw.choice([("active", "needs_reauth"), ("needs_reauth", "active")])
        make_transition(engine, draw.choice(mailbox_ids), before, after, f"n{number}")


@contextmanager
def running(work: Callable[..., None], *arguments: Any, processes: int = 1) -> Iterator[list[BaseProcess]]:
    """Run work in processes, which are killed as the kernel does at the end of the block."""
    begun: list[BaseProcess] = [_CONTEXT.Process(target=work, args=arguments, daemon=True) for _ in range(processes)]
    for process in begun:
        process.start()
    try:
        yield begun
    finally:
        for process in begun:
            if process.pid and process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
            process.join()
