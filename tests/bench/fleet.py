"""Many worker processes, and orders to them."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Self

from bench.ground import Ground
from bench.orders import Done, Job, Order
from bench.place import Place
from gmail_embedded.processes import Child, Command

_START_SECONDS = 120


class WorkerFailed(Exception):
    """A job raised an exception, or did not end in time; the message holds the worker's traceback."""


class Worker:
    """One worker process.

    Attributes:
        child: the process as its family knows it.
        pid: of the worker itself, not of its supervisor.
    """

    def __init__(self, ground: Ground, number: int, place: Place) -> None:
        self._ground, self._number, self._place = ground, number, place
        self.pid = 0
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.child = self._process(theirs.fileno())
        self._connection = Connection(ours.detach())

    def _process(self, descriptor: int) -> Child:
        command = Command(
            name=f"worker-{self._number}",
            argv=[sys.executable, "-m", "bench.worker", str(descriptor), self._place.sandbox_url],
            environment=self._ground.environment,
            log=self._ground.folder.log("workers"),
            cwd=self._ground.folder.root,
            grace=0.5,
            pass_fds=(descriptor,),
        )
        return self._ground.family.start(command)

    def ready(self) -> Self:
        """Wait until the process has imported everything."""
        self.pid = self._receive(_START_SECONDS)
        return self

    def order(self, job: Job, *, at: float = 0.0, **arguments: Any) -> None:
        """Let the worker do a job, which gets the world and these arguments."""
        self._connection.send(Order(job=job, arguments=arguments, place=self._place, at=at))

    def done(self, timeout: float = 120) -> bool:
        """Tell whether the job ends within so many seconds."""
        return self._connection.poll(timeout)

    def result(self, timeout: float = 120) -> Any:
        """Return what the job returned.

        Raises:
            WorkerFailed: if it raised, the process died, or the time is over.
        """
        done: Done = self._receive(timeout)
        if done.failure:
            raise WorkerFailed(done.failure)
        return done.value

    def do(self, job: Job, *, timeout: float = 600, **arguments: Any) -> Any:
        """Let the worker do a job and return what it returned."""
        self.order(job, **arguments)
        return self.result(timeout)

    def kill(self) -> None:
        """Kill the process as the kernel does when memory is short: at once, without a last word."""
        os.kill(self.pid, signal.SIGKILL)
        self.hang_up()
        self._ground.family.stop(self.child)

    def restart(self) -> None:
        """Kill the process and start another one in its place."""
        self.kill()
        self._start()
        self.ready()

    def hang_up(self) -> None:
        """End the connection; an idle worker ends with it."""
        self._connection.close()

    def _receive(self, timeout: float) -> Any:
        if not self._connection.poll(timeout):
            raise WorkerFailed(f"{self.child.name} gave no answer in {timeout:.0f} seconds")
        try:
            return self._connection.recv()
        except (EOFError, ConnectionResetError):
            tail = "\n".join(self._ground.family.tail(self.child.command.log))
            raise WorkerFailed(f"{self.child.name} died. Its log ends with:\n{tail}") from None


@contextmanager
def fleet(ground: Ground, count: int, *, simulated: bool = False) -> Iterator[list[Worker]]:
    """Start so many workers and wait until all are ready; end them with the block."""
    place = ground.place(simulated=simulated)
    workers: list[Worker] = []
    try:
        for number in range(count):
            workers.append(Worker(ground, number, place))
        yield [worker.ready() for worker in workers]
    finally:
        for worker in workers:
            worker.hang_up()
        ground.family.stop(*(worker.child for worker in workers))


@contextmanager
def one_worker(ground: Ground, *, simulated: bool = False) -> Iterator[Worker]:
    """Start one worker."""
    with fleet(ground, 1, simulated=simulated) as (worker,):
        yield worker


def soon(seconds: float = 0.05) -> float:
    """Return a moment at which all processes can begin together."""
    return time.monotonic() + seconds
