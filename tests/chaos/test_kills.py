"""Processes that the kernel kills in the middle: nothing is lost, nothing is asked twice, nobody is flagged."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.fleet import fleet, one_worker
from bench.grants.audits import audit, until_valid
from bench.grants.single_flight import ADDRESS, want_token
from bench.ground import Ground
from bench.scene import add_crowd, asked, ever_flagged, valid
from gmail_warmup.db.models import GrantState

LEASE = 12
SETTINGS = {"refresh_lease": LEASE, "connect_timeout": 1, "read_timeout": 4}


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something that happens in another process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_audit_killed_in_the_middle_asks_only_about_what_is_missing(ground: Ground):
    world = ground.fresh()
    crowd = add_crowd(world, 600)
    world.sandbox.set(latency_ms={"token": 50})
    with one_worker(ground) as worker:
        worker.order(audit, run_id="killed", shards=[crowd.ids], settings=SETTINGS)
        until(lambda: valid(world) >= 100)
        worker.kill()
    in_flight = len(world.rows("SELECT FROM gmail_warmup.oauth_grant WHERE lease_until > now()"))
    done = valid(world)
    assert 100 <= done < 600
    until(lambda: not world.rows("SELECT FROM gmail_warmup.oauth_grant WHERE lease_until > now()"), LEASE + 5)
    with one_worker(ground) as worker:
        passes, _ = until_valid(world, worker, crowd, settings=SETTINGS)
    twice = [address for address, count in asked(world).items() if count > 1]
    print(f"killed after {done} of 600, {in_flight} leases left behind; {len(twice)} asked about twice")
    assert len(passes) == 1
    assert len(twice) <= in_flight
    assert ever_flagged(world) == 0


def test_the_lease_of_a_process_killed_while_it_asks_ends_by_itself(ground: Ground):
    world = ground.fresh()
    world.add(ADDRESS)
    world.sandbox.set(latency_ms={"token": 2_000})
    with fleet(ground, 3) as (victim, *others):
        victim.order(want_token, address=ADDRESS)
        until(lambda: bool(world.rows("SELECT FROM gmail_warmup.oauth_grant WHERE lease_until > now()")))
        victim.kill()
        world.sandbox.set(latency_ms={"token": 0})
        world.sql("UPDATE gmail_warmup.oauth_grant SET lease_until = now() + interval '3 s'")  # rather than a minute
        for other in others:
            other.order(want_token, address=ADDRESS)
        answers = [other.result() for other in others]
    assert len({token for token, _ in answers}) == 1
    assert max(seconds for _, seconds in answers) < 8
    assert world.grant(ADDRESS).state is GrantState.ACTIVE
