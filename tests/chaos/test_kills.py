"""Processes that the kernel kills in the middle: nothing is lost, nothing is asked twice, nobody is flagged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench.fleet import fleet, one_worker
from bench.grants.audits import audit, until_valid
from bench.grants.single_flight import ADDRESS, want_token
from bench.ground import Ground
from bench.scene import add_crowd, asked, ever_flagged, valid
from chaos.faults import NewFault
from chaos.forms import forms
from chaos.kills import until
from gmail_warmup.db.models import GrantState
from support.world import World

LEASE = 120
SETTINGS = {"refresh_lease": LEASE, "connect_timeout": 1, "read_timeout": 4}


@pytest.mark.parametrize("mailboxes", forms(400, 5_000))
def test_an_audit_killed_in_the_middle_asks_only_about_what_is_missing(ground: Ground, fault: NewFault, mailboxes: int):
    world = ground.fresh(simulated=True)
    crowd = add_crowd(world, mailboxes)
    world.sandbox.set(latency_ms={"token": 50})
    with one_worker(ground, simulated=True) as worker:
        worker.order(audit, run_id="killed", shards=[crowd.ids], settings=SETTINGS)
        until(lambda: valid(world) >= mailboxes / 6, "no audit goes on")
        worker.restart()
        done, left = valid(world), leased(world)
        assert mailboxes / 6 <= done < mailboxes
        assert max(left.values()) <= LEASE
        worker.do(audit, run_id="killed", shards=[crowd.ids], settings=SETTINGS)
        assert asked_twice(world) == set(), "what the dead process has leased is left alone while its leases last"
        ground.pass_time(timedelta(seconds=LEASE))
        passes, _ = until_valid(world, worker, crowd, settings=SETTINGS)
    print(f"killed after {done} of {mailboxes}, {len(left)} leases left; {len(asked_twice(world))} asked about twice")
    assert len(passes) == 1
    account = fault("audit killed in the middle")
    account.struck()
    account.found((f"{address} was asked about twice" for address in asked_twice(world) - left.keys()), checked=done)
    account.found([f"{flags} flags"] if (flags := ever_flagged(world)) else [], checked=mailboxes)
    account.hold()


def leased(world: World) -> dict[str, float]:
    """Return for how many seconds each mailbox that is leased will be so."""
    rows = world.rows(
        "SELECT address, extract(epoch FROM g.lease_until - now()) FROM gmail_warmup.oauth_grant g"
        " JOIN gmail_warmup.mailbox m ON m.id = g.mailbox_id WHERE g.lease_until > now()"
    )
    return {address: float(seconds) for address, seconds in rows}


def asked_twice(world: World) -> set[str]:
    """Return the mailboxes that Google was asked about more than once."""
    return {address for address, count in asked(world).items() if count > 1}


def test_the_lease_of_a_process_killed_while_it_asks_ends_by_itself(ground: Ground):
    world = ground.fresh(simulated=True)
    world.add(ADDRESS)
    world.sandbox.set(latency_ms={"token": 2_000})
    with fleet(ground, 3, simulated=True) as (victim, *others):
        victim.order(want_token, address=ADDRESS)
        until(lambda: bool(leased(world)), "no lease was taken")
        victim.kill()
        world.sandbox.set(latency_ms={"token": 0})
        for other in others:
            other.order(want_token, address=ADDRESS)
        assert not others[0].done(timeout=1), "the lease of the dead is respected while it lasts"
        (lease,) = leased(world).values()
        ground.pass_time(timedelta(seconds=lease))
        answers = [other.result(timeout=60) for other in others]
    print(f"killed with {lease:.0f} s of its lease left; {world.token_requests(ADDRESS)} token requests in all")
    assert len({token for token, _ in answers}) == 1
    assert lease <= world.settings.refresh_lease
    assert world.token_requests(ADDRESS) <= 2
    assert world.grant(ADDRESS).state is GrantState.ACTIVE
