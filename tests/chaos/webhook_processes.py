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

from gmail_warmup.alerts.webhooks.delivery import deliver_webhooks
from gmail_warmup.alerts.webhooks.receivers import build_receiver
from gmail_warmup.db.engine import make_engine
from support.webhook_kit import POLICY, SECRET, make_transition

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["chaos.webhook_processes"])


def deliver(url: str, receivers: dict[str, str]) -> None:
    """Deliver what is due, again and again.

    Args:
        receivers: the URLs by the ids of the receivers.
    """
    engine = make_engine(url, pooled=True)
    built = [
        build_receiver(conn_id, url=address, signing_secrets=[SECRET], events=None, allow_private=True)
        for conn_id, address in receivers.items()
    ]
    while True:
        deliver_webhooks(engine, built, replace(POLICY, timeout=2, retry_days=30))
        time.sleep(0.01)


def produce(url: str, mailbox_ids: Sequence[int], numbers: Sequence[int]) -> None:
    """Make transitions with these numbers as their reasons, in random mailboxes, each in a transaction of its own."""
    engine = make_engine(url, pooled=True)
    draw = random.Random(numbers[0])
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
