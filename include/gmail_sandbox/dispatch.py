"""Handle a request to any of Google's edges: apply latency and faults, then write the response."""

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
    """Origin of a request, as far as its token or form identifies it."""

    edge: str
    method: str
    address: str | None = None
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a request; status None means that the client received no complete response."""

    status: int | None
    answer: Answer
    fault: Fault | None = None


async def respond(
    world: World,
    caller: Caller,
    work: Callable[[], Answer],
    latency_ms: float,
    connection: tuple[Scope, Receive, Send],
    record: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Process the request, apply a matching fault before or after that, and write the response.

    Args:
        record: called with the outcome before the client can know it.
    """
    scope, receive, send = connection
    fault = world.faults.pick(caller.edge, caller.method, caller.address, caller.client_id)
    if latency_ms:
        await asyncio.sleep(latency_ms / 1000)
    if fault is None:
        answer = work()
        outcome = Outcome(answer.status, answer)
        record(outcome)
        await write(send, answer)
        return outcome
    if fault.when == "before":
        await fault.wait()
    answer = Answer(200) if fault.skips_work else work()
    if fault.when == "after":
        await fault.wait()
    if fault.answer is not None:
        answer = fault.answer
    outcome = Outcome(None if fault.breaks_connection else answer.status, answer, fault)
    record(outcome)
    if fault.breaks_connection:
        await misbehave(scope, receive, answer, fault)
    else:
        await write(send, answer)
    return outcome
