"""Trouble at Google and with Google, over thousands of mailboxes: only the right ones are flagged, and told once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bench.fleet import one_worker
from bench.grants.audits import audit
from bench.grants.outage import ROWS, outage
from bench.grants.wrong_secret import incident_alerts, wrong_secret
from bench.ground import Ground
from bench.scene import add_crowd
from chaos.faults import NewFault
from chaos.forms import forms

MAILBOXES, SEED = 5_000, 7
SOME_ROWS = (
    "token.cut", "token.json_list_503", "token.rate_limit_html_403", "token.200_not_json", "token.200_no_access_token",
    "token.redirect_302",
)  # fmt: skip
"""Kinds of failure for the short form: one of each sort."""


@pytest.mark.parametrize("mailboxes", forms(200, MAILBOXES))
def test_an_hour_of_outage_flags_nobody(ground: Ground, fault: NewFault, mailboxes: int):
    rows, seconds = (ROWS, 3.0) if mailboxes == MAILBOXES else (SOME_ROWS, 0.8)
    came = outage(ground, mailboxes=mailboxes, rows=rows, seconds=seconds, seed=SEED)
    print(came)
    assert came.unseen == []
    account = fault("an hour of outage of the token endpoint")
    account.struck(came.strikes.total())
    account.found([f"{came.flags} flags"] if came.flags else [], checked=mailboxes)
    account.check(came.valid_after == mailboxes, f"{came.valid_after} valid afterwards")
    account.hold()


@pytest.mark.parametrize("mailboxes", forms(200, MAILBOXES))
def test_a_wrong_client_secret_flags_nobody_and_is_told_once(ground: Ground, fault: NewFault, mailboxes: int):
    came = wrong_secret(ground, mailboxes=mailboxes, seconds=8 if mailboxes == MAILBOXES else 2, seed=SEED)
    print(came)
    account = fault("a wrong client secret")
    account.struck(came.requests)
    account.found([f"{came.flags} flags"] if came.flags else [], checked=mailboxes)
    account.check(came.alerts == 1, f"{came.alerts} alerts")
    account.check(came.valid_after == mailboxes, f"{came.valid_after} valid afterwards")
    account.check(came.requests < 50, f"{came.requests} token requests under a wrong secret")
    account.hold()


@pytest.mark.parametrize("mailboxes", forms(200, 5_000))
def test_a_third_of_a_domain_reset_at_once_flags_exactly_those_and_is_told_once(
    ground: Ground, fault: NewFault, mailboxes: int
):
    world = ground.fresh(simulated=True)
    crowd = add_crowd(world, mailboxes)
    of_domain = [address for address in crowd.addresses if address.endswith("@d3.example")]
    victims = sorted(of_domain[: round(0.3 * len(of_domain))])
    world.sandbox.revoke_grants(*victims, cause="revoked")
    shards = crowd.shards(1_000)
    with one_worker(ground, simulated=True) as worker:
        first = worker.do(audit, run_id="first", shards=shards)
        assert (first.held, first.confirmed) == (len(victims), 0)
        assert incident_alerts(world) == 1
        ground.pass_time(timedelta(minutes=16))
        worker.do(audit, run_id="second", shards=shards)
    flagged = world.rows(
        "SELECT address FROM gmail_warmup.mailbox m JOIN gmail_warmup.oauth_grant g ON g.mailbox_id = m.id"
        " WHERE state <> 'active' ORDER BY address"
    )
    account = fault("a third of a domain reset at once")
    account.struck(len(victims))
    wrong = {address for (address,) in flagged} ^ set(victims)
    account.found((f"{address} is flagged for nothing, or not flagged" for address in wrong), checked=mailboxes)
    account.check(incident_alerts(world) == 1, "the incident was not told once")
    account.hold()
    assert world.rows("SELECT count(*) FROM gmail_warmup.alert") == [(1,)]
