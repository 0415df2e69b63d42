"""What all of Google's edges have in common: latency, faults, and the written answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import Receive, Scope, Send

from gmail_sandbox.faults import Fault
from gmail_sandbox.http_faults import misbehave, write
from gmail_sandbox.responses import Answer
from gmail_sandbox.state import World


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is, as far as its token or form says."""

    edge: str
    method: str
    address: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What went out; status None means that the client got no whole answer."""

    status: int | None
    answer: Answer
    fault: Fault | None = None


async def respond(
    world: World,
    caller: Caller,
    work: Callable[[], Answer],
    latency_ms: float,
    connection: tuple[Scope, Receive, Send],
) -> Outcome:
    """Do the work, or let a fault strike before or after it, and write the answer."""
    scope, receive, send = connection
    fault = world.faults.pick(caller.edge, caller.method, caller.address, caller.client_id)
    if latency_ms:
        await asyncio.sleep(latency_ms / 1000)
    if fault is None:
        answer = work()
        await write(send, answer)
        return Outcome(answer.status, answer)
    if fault.when == "before":
        await asyncio.sleep(fault.delay_ms / 1000)
    answer = Answer(200) if fault.skips_work else work()
    if fault.when == "after":
        await asyncio.sleep(fault.delay_ms / 1000)
    if fault.answer is not None:
        answer = fault.answer
    if fault.breaks_connection:
        await misbehave(scope, receive, answer, fault)
        return Outcome(None, answer, fault)
    await write(send, answer)
    return Outcome(answer.status, answer, fault)
