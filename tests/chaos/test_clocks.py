"""A worker's clock and the database's ten minutes apart: expiry and lease follow the database's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bench.fleet import Worker, fleet
from bench.grants.audits import audit
from bench.grants.hot_path import credentials_valid
from bench.grants.single_flight import rush, want_token
from bench.ground import Ground
from bench.scene import add_crowd, asked, valid
from chaos.faults import NewFault
from chaos.forms import forms
from chaos.runs import Scene, names
from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth.leases import GrantLeases
from support.world import World

ADDRESS = "ada@pool.example"
APART, APART_NAME = timedelta(minutes=10), "clocks ten minutes apart"
LEASE = 120
MARGIN = 300
"""Seconds before its expiry from which a token is refreshed: less than the clocks are apart."""


@pytest.fixture(scope="module")
def workers(ground: Ground) -> Iterator[list[Worker]]:
    with fleet(ground, 4, simulated=True) as started:
        yield started


@pytest.fixture(params=[APART, -APART], ids=["database-ahead", "database-behind"])
def skewed(ground: Ground, request: pytest.FixtureRequest) -> Iterator[World]:
    """Yield a world whose database's clock is not that of the processes."""
    world = ground.fresh(simulated=True)
    ground.clock.set(request.param)
    yield world
    ground.clock.set(timedelta(0))


def expires_in(world: World, seconds: int) -> None:
    """Let the stored token have so many seconds left by the database's clock."""
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + make_interval(secs => :s)", s=seconds)


@pytest.mark.parametrize(("left", "requests"), [(MARGIN - 60, 1), (MARGIN + 60, 0)])
def test_a_token_is_refreshed_when_the_database_says_so(workers: list[Worker], skewed: World, left: int, requests: int):
    skewed.add(ADDRESS, expired=False)
    expires_in(skewed, left)
    workers[0].do(want_token, address=ADDRESS)
    print(f"a token with {left} s left: {skewed.token_requests(ADDRESS)} token request(s)")
    assert skewed.token_requests(ADDRESS) == requests
    if requests:
        assert skewed.grant(ADDRESS).access_seconds == pytest.approx(3599, abs=60)


def test_a_lease_ends_when_the_database_says_so(ground: Ground, workers: list[Worker], skewed: World):
    mailbox_id = skewed.add(ADDRESS)
    expires_in(skewed, -1)
    assert GrantLeases(skewed.store.engine, seconds=LEASE).take([mailbox_id])
    for worker in workers:
        worker.order(want_token, address=ADDRESS)
    assert not workers[0].done(timeout=1)
    assert skewed.token_requests(ADDRESS) == 0
    ground.pass_time(timedelta(seconds=LEASE))
    answers = [worker.result(timeout=LEASE / 2) for worker in workers]
    assert len({token for token, _ in answers}) == skewed.token_requests(ADDRESS) == 1


def test_many_still_make_one_request(workers: list[Worker], skewed: World):
    flight = rush(skewed, workers, latency_ms=500)
    print(flight)
    assert (flight.requests, flight.tokens) == (1, 1)


def test_credentials_are_valid_by_the_clock_of_the_machine_that_uses_them(workers: list[Worker], skewed: World):
    skewed.add(ADDRESS)
    expires_in(skewed, -1)
    assert workers[0].do(credentials_valid, address=ADDRESS)
    assert skewed.token_requests(ADDRESS) == 1


@pytest.mark.parametrize("mailboxes", forms(50, 1_000))
def test_an_audit_probes_a_suspect_when_the_database_says_so(
    ground: Ground, workers: list[Worker], skewed: World, fault: NewFault, mailboxes: int
):
    crowd, account = add_crowd(skewed, mailboxes), fault(APART_NAME)
    suspect = crowd.addresses[-1]
    skewed.sandbox.revoke_grants(suspect, cause="bad_request")
    for run_id in ("first", "second"):
        workers[0].do(audit, run_id=run_id, shards=[crowd.ids])
    assert valid(skewed) == mailboxes - 1
    assert set(asked(skewed).values()) == {1}
    assert skewed.grant(suspect).state is GrantState.SUSPECT
    ground.pass_time(timedelta(minutes=16))
    workers[0].do(audit, run_id="third", shards=[crowd.ids])
    twice = {address for address, count in asked(skewed).items() if count > 1}
    print(f"{mailboxes} mailboxes, asked about twice: {twice}")
    account.struck()
    account.check(twice == {suspect}, f"asked about twice: {twice}")
    account.check(skewed.grant(suspect).state is GrantState.NEEDS_REAUTH, "the suspect was not condemned")
    account.hold()


@pytest.mark.parametrize("apart", [APART, -APART], ids=["database-ahead", "database-behind"])
@pytest.mark.parametrize("threads", forms(2, 6))
def test_each_mail_is_sent_once_whatever_google_and_the_database_think_of_the_time(
    ground: Ground, fault: NewFault, threads: int, apart: timedelta
):
    scene = Scene.set(ground, fault(APART_NAME), names("apart", threads))
    ground.clock.advance(apart)
    scene.fault.struck()
    scene.recover()
    scene.fault.hold()
