"""Many processes, one expired grant: Google is asked once, and nobody waits much longer than that takes."""

from __future__ import annotations

import pytest

from bench.fleet import fleet
from bench.grants.single_flight import rush
from bench.ground import Ground
from chaos.faults import NewFault
from chaos.forms import forms


@pytest.mark.parametrize("processes", forms(12, 64))
def test_one_request_for_all(ground: Ground, fault: NewFault, processes: int):
    world = ground.fresh()
    with fleet(ground, processes) as workers:
        flight = rush(world, workers, latency_ms=500)
    print(flight)
    account = fault("many processes want one token")
    account.struck(processes - 1)
    account.check((flight.requests, flight.tokens) == (1, 1), str(flight))
    account.hold()
