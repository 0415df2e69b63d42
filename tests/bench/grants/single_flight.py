"""Many processes want the access token of one mailbox at the same moment; Google may be asked once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.fleet import Worker, soon
from bench.scene import expire
from gmail_warmup.db.engine import autocommit
from support.world import World

ADDRESS = "wanted@pool.example"
CONNECT_SECONDS = 3.0
"""Time for all processes to connect to the database before they ask."""


def want_token(world: World, *, address: str, begin: float = 0.0) -> tuple[str, float]:
    """Get an access token as a task does; return it and the seconds that took.

    Args:
        begin: when to ask, by time.monotonic(); the database connection is open by then. Opening 64 of them at once
            keeps the machine busy longer than the refresh, and says nothing about the waiting.
    """
    with autocommit(world.store.engine) as connection:
        connection.exec_driver_sql("SELECT 1")
    time.sleep(max(0.0, begin - time.monotonic()))
    started = time.monotonic()
    token = world.tokens(read_timeout=world.settings.read_timeout).get_token(address).token
    return token, time.monotonic() - started


@dataclass(frozen=True, kw_only=True)
class SingleFlight:
    """What one rush came to."""

    processes: int
    latency: float
    """Seconds that Google took for its answer."""
    requests: int
    """Token requests that Google saw."""
    tokens: int
    """Different access tokens that were handed out."""
    longest: float
    """Seconds that the last process waited."""

    @property
    def overhead(self) -> float:
        """Return by how many seconds the longest wait exceeded the request."""
        return self.longest - self.latency

    def __str__(self) -> str:
        """Say what happened."""
        return (
            f"{self.processes} processes, {self.latency * 1000:.0f} ms at Google: {self.requests} token request(s), "
            f"{self.tokens} access token(s), longest wait {self.longest:.2f} s"
        )


def rush(world: World, workers: Sequence[Worker], *, latency_ms: int) -> SingleFlight:
    """Let all workers ask at once, in a world without this mailbox."""
    # Each process refreshes a grant of its own first: imports, certificates and compiled statements of a new process
    # are not part of the wait. A task of Airflow has them from its parent process (airflow/preload.py).
    for number, worker in enumerate(workers):
        world.add(warm := f"warm-{number}@pool.example")
        expire(world)
        worker.order(want_token, address=warm)
    for worker in workers:
        worker.result()
    world.add(ADDRESS)
    expire(world)
    world.sandbox.set(latency_ms={"token": latency_ms})
    begin = soon(CONNECT_SECONDS)
    for worker in workers:
        worker.order(want_token, address=ADDRESS, begin=begin)
    answers = [worker.result() for worker in workers]
    world.sandbox.set(latency_ms={"token": 0})
    return SingleFlight(
        processes=len(workers),
        latency=latency_ms / 1000,
        requests=world.token_requests(ADDRESS),
        tokens=len({token for token, _ in answers}),
        longest=max(seconds for _, seconds in answers),
    )
