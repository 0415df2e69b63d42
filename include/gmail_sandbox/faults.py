"""Faults to inject, with the requests to which they apply."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from gmail_sandbox.addresses import domain_of
from gmail_sandbox.responses import Answer


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault; without an `answer` the real response is sent."""

    id: int
    where: str
    address: str | None = None
    domain: str | None = None
    client_id: str | None = None
    name: str | None = None
    answer: Answer | None = None
    times: int | None = None
    chance: float = 1.0
    delay_ms: float = 0.0
    when: Literal["before", "after"] = "before"
    close: bool = False
    cut_after_bytes: int | None = None
    content_length: int | None = None
    hang_seconds: float | None = None
    hits: int = 0
    hold: bool = False
    removed: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    async def wait(self) -> None:
        """Wait for the delay, and if the fault holds requests, until it is removed."""
        await asyncio.sleep(self.delay_ms / 1000)
        if self.hold:
            await self.removed.wait()

    @property
    def breaks_connection(self) -> bool:
        """Return whether the response bypasses the server and is written to the transport."""
        transport_faults = (self.cut_after_bytes, self.content_length, self.hang_seconds)
        return self.close or any(value is not None for value in transport_faults)

    @property
    def skips_work(self) -> bool:
        """Return whether the request is not processed."""
        discards_response = self.answer is not None or self.close or self.hang_seconds is not None
        return self.when == "before" and discards_response

    @property
    def label(self) -> str:
        """Return the fault's name in statistics."""
        if self.name is not None:
            return self.name
        return f"status_{self.answer.status}" if self.answer is not None else "cut" if self.close else "custom"

    def concerns(self, edge: str, method: str, address: str | None, client_id: str | None) -> bool:
        """Return whether the fault applies to a request."""
        if self.where not in (edge, method) or (self.times is not None and self.hits >= self.times):
            return False
        if self.address is not None and self.address != address:
            return False
        if self.domain is not None and (address is None or domain_of(address) != self.domain):
            return False
        return self.client_id is None or self.client_id == client_id


class Faults:
    """The active faults in the order of their creation; the first that applies to a request is used."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"faults|{seed}")  # noqa: S311 - repeatable on purpose
        self._faults: dict[int, Fault] = {}
        self._last_id = 0

    def next_id(self) -> int:
        """Return an id for a new fault."""
        self._last_id += 1
        return self._last_id

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        self._faults[fault.id] = fault

    def all(self) -> Iterable[Fault]:
        """Return all faults, including exhausted ones."""
        return self._faults.values()

    def remove(self, fault_id: int) -> bool:
        """Remove a fault; return whether it existed."""
        fault = self._faults.pop(fault_id, None)
        if fault is not None:
            fault.removed.set()
        return fault is not None

    def clear(self) -> None:
        """Remove all faults."""
        for fault_id in list(self._faults):
            self.remove(fault_id)

    def pick(self, edge: str, method: str, address: str | None, client_id: str | None) -> Fault | None:
        """Return the fault for this request, or None, and count the hit."""
        for fault in self._faults.values():
            if not fault.concerns(edge, method, address, client_id):
                continue
            if fault.chance < 1 and self._random.random() >= fault.chance:
                continue
            fault.hits += 1
            return fault
        return None
