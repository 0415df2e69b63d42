"""A worker process: takes jobs from a connection, one at a time, until the connection ends.

It stands for an Airflow task: a process of its own with an engine of its own, made anew for each job.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from multiprocessing.connection import Connection

from bench.orders import Done, Order
from gmail_sandbox.client import SandboxClient


def perform(order: Order, sandbox: SandboxClient) -> Done:
    """Do a job."""
    world = order.place.open(actor="worker", sandbox=sandbox)
    try:
        time.sleep(max(0.0, order.at - time.monotonic()))
        return Done(value=order.job(world, **order.arguments))
    except Exception:
        return Done(failure=traceback.format_exc())
    finally:
        world.store.engine.dispose()


def main() -> None:
    """Say hello with the process id, then work."""
    with Connection(int(sys.argv[1])) as connection, SandboxClient(sys.argv[2], timeout=120) as sandbox:
        connection.send(os.getpid())
        while True:
            try:
                order = connection.recv()
            except EOFError:
                return
            connection.send(perform(order, sandbox))


if __name__ == "__main__":
    main()
