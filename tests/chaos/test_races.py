"""Refresh, re-authentication and Google's late answers race over processes; the newest grant always wins."""

from __future__ import annotations

import pytest

from bench.fleet import fleet
from bench.grants.races import race
from bench.ground import Ground
from chaos.faults import NewFault
from chaos.forms import forms


@pytest.mark.parametrize("rounds", forms(30, 1_000))
def test_no_newer_grant_is_overwritten_or_flagged(ground: Ground, fault: NewFault, rounds: int):
    world = ground.fresh()
    with fleet(ground, 6) as workers:
        raced = race(world, workers, rounds=rounds, seed=rounds)
    print(raced)
    account = fault("consent, refresh and late answers race")
    account.struck(raced.rounds)
    account.found(raced.violations, checked=raced.rounds)
    account.hold()
    assert len(raced.interleavings) >= 4  # it really was a race
