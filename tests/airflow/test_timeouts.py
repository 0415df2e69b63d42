"""A task that exceeds its execution_timeout ends like any other failure: its leases are released at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.core.enums import Action
from support.mail_kit import ADA, AT_ONCE, POOL, act
from support.world import World


def audit(world: World) -> None:
    Audit(world.store, world.client, world.settings, actor=world.actor, force=True).run([world.mailbox(ADA).id])


def refresh(world: World) -> None:
    world.tokens().get_token(ADA)


def send(world: World) -> None:
    act(world, Action.SEND)


@pytest.mark.parametrize(
    ("part", "work"),
    [("token", send), ("gmail", send), ("token", refresh), ("token", audit)],
    ids=["token of a send", "mail", "refresh", "audit"],
)
def test_the_leases_of_a_task_end_with_it(world: World, part: str, work: Callable[[World], None]):
    world.settings = AT_ONCE
    for address in (ADA, *POOL):
        world.add(address, kind="warmup" if address == ADA else "pool", expired=part == "token")
    world.sandbox.add_fault(part, name=f"{part}.hang")
    with pytest.raises(AirflowTaskTimeout), timeout(60), timed_out_while_leased(world, part):
        work(world)
    assert leased(world, "mailbox") == leased(world, "oauth_grant") == 0


def leased(world: World, table: str) -> int:
    ((number,),) = world.rows(f"SELECT count(*) FROM gmail_warmup.{table} WHERE lease_until > now()")
    return int(number)


@contextmanager
def timed_out_while_leased(world: World, part: str) -> Iterator[None]:
    """Let Airflow's timer expire as soon as the request that hangs was sent."""
    table = "oauth_grant" if part == "token" else "mailbox"

    def expire() -> None:
        until = time.monotonic() + 50
        while not leased(world, table) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.5)  # from the lease to the request
        os.kill(os.getpid(), signal.SIGALRM)

    thread = threading.Thread(target=expire, daemon=True)
    thread.start()
    yield
