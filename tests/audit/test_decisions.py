"""The mass guard: many deaths at once are held, confirmed by a second pass, and told once."""

from __future__ import annotations

import dataclasses

import pytest

from gmail_warmup.audit import decisions
from gmail_warmup.audit.decisions import AuditDecision
from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.audit.results import AuditOutcome, AuditResult
from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.oauth.errors import FlaggedGrantError, SuspectGrantError
from support.world import World


def healthy(world: World, count: int, domain: str) -> list[int]:
    """Add mailboxes that Google has issued a token for, and whose token is old."""
    ids = [world.add(f"a{number}@{domain}") for number in range(count)]
    world.sql("UPDATE gmail_warmup.oauth_grant SET refreshed_at = now() - interval '2 days'")
    return ids


def audit(world: World, ids: list[int], *, run_id: str = "first") -> tuple[AuditResult, AuditDecision]:
    actor = dataclasses.replace(world.actor, run_id=run_id)
    running = decisions.begin_audit(world.store.engine, run_id, actor=actor)
    result = Audit(world.store, world.client, world.settings, actor=actor).run(ids)
    decided = decisions.decide_refusals(world.store, running, result, actor=actor)
    return result, decided


def states(world: World) -> dict[str, int]:
    rows = world.rows("SELECT state, count(*) FROM gmail_warmup.oauth_grant GROUP BY state")
    return {state: count for state, count in rows}


def delay_is_over(world: World) -> None:
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET state_since = state_since - interval '15 min', next_probe_at = now()"
        " WHERE state = 'suspect'"
    )


@pytest.mark.parametrize(("mailboxes", "together"), [(0, 5), (16, 5), (250, 5), (300, 6), (5_000, 100)])
def test_the_limit(mailboxes: int, together: int):
    assert mass_refusal.compute_refusal_limit(mailboxes) == together


def test_a_few_deaths_are_condemned_when_the_audit_is_in(world: World):
    ids = healthy(world, 8, "pool.example")
    world.sandbox.revoke_grants("a0@pool.example", "a1@pool.example", cause="revoked")
    result, decided = audit(world, ids)
    assert result.counts == {"refreshed": 6, "suspect": 2}
    assert decided == AuditDecision(confirmed=["a0@pool.example", "a1@pool.example"], held_count=0)
    assert states(world) == {"active": 6, "needs_reauth": 2}
    assert world.rows("SELECT count(*) FROM gmail_warmup.incident")[0][0] == 0
    with world.store.engine.connect() as connection:
        running = decisions.begin_audit(world.store.engine, "first", actor=world.actor)
        assert decisions.list_newly_flagged(connection, running) == ["a0@pool.example", "a1@pool.example"]


def test_many_deaths_are_held_and_confirmed_by_the_second_pass(world: World):
    ids = healthy(world, 10, "pool.example")
    world.sandbox.revoke_grants(*(f"a{number}@pool.example" for number in range(6)), cause="revoked")
    _, decided = audit(world, ids)
    assert decided == AuditDecision(confirmed=[], held_count=6)
    assert states(world) == {"active": 4, "suspect": 6}
    assert world.rows("SELECT kind, detail->>'mailboxes', detail->'domains' FROM gmail_warmup.incident") == [
        ("mass_refusal", "6", {"pool.example": 6})
    ]
    asked = world.token_requests()
    audit(world, ids, run_id="too early")
    assert world.token_requests() == asked
    delay_is_over(world)
    audit(world, ids, run_id="second")
    assert states(world) == {"active": 4, "needs_reauth": 6}
    with world.store.engine.begin() as connection:
        assert mass_refusal.close_decided_incidents(connection) == 1
    assert world.rows("SELECT detail->>'confirmed', closed_at IS NULL FROM gmail_warmup.incident") == [("6", False)]


def test_a_mood_of_google_condemns_nobody(world: World):
    ids = healthy(world, 10, "pool.example")
    world.sandbox.add_fault("token", name="token.revoked")
    audit(world, ids)
    assert states(world) == {"suspect": 10}
    world.sandbox.clear_faults()
    delay_is_over(world)
    audit(world, ids, run_id="second")
    assert states(world) == {"active": 10}
    assert all(world.events(f"a{number}@pool.example")[-1] == ("suspect", "active", None) for number in range(10))


def test_an_app_error_in_the_audit_holds_even_one_death(world: World):
    ids = healthy(world, 8, "pool.example")
    world.sandbox.revoke_grants("a0@pool.example", cause="revoked")
    actor = dataclasses.replace(world.actor, run_id="first")
    running = decisions.begin_audit(world.store.engine, "first", actor=actor)
    Audit(world.store, world.client, world.settings, actor=actor).run(ids)
    refused = AuditResult(refused_clients=frozenset({world.client.client_id}))
    decided = decisions.decide_refusals(world.store, running, refused, actor=actor)
    assert decided == AuditDecision(confirmed=[], held_count=1)
    assert world.grant("a0@pool.example").state is GrantState.SUSPECT


def test_what_was_never_known_to_work_is_condemned_at_once(world: World):
    ids = [world.add(f"a{number}@pool.example") for number in range(20)]
    world.sandbox.revoke_grants(domain="pool.example", cause="revoked")
    result, _ = audit(world, ids)
    assert result.counts == {"needs_reauth": 20}


def test_a_cohort_whose_end_was_announced_is_condemned_at_once(world: World):
    ids = healthy(world, 20, "pool.example")
    world.sql("UPDATE gmail_warmup.oauth_grant SET refresh_expires_at = now() + interval '1 hour'")
    world.sandbox.revoke_grants(domain="pool.example", cause="revoked")
    result, decided = audit(world, ids)
    assert result.counts == {"needs_reauth": 20}
    assert decided.held_count == 0


def test_tasks_that_find_deaths_one_by_one_are_guarded_too(world: World):
    healthy(world, 12, "pool.example")
    world.sandbox.revoke_grants(domain="pool.example", cause="revoked")
    for number in range(12):
        with pytest.raises((FlaggedGrantError, SuspectGrantError)):
            world.tokens().get_token(f"a{number}@pool.example")
    assert states(world) == {"needs_reauth": 5, "suspect": 7}
    assert world.rows("SELECT detail->>'held' FROM gmail_warmup.incident") == [("7",)]


def test_a_valid_token_goes_on_being_served_while_the_verdict_is_held(world: World):
    ids = healthy(world, 10, "pool.example")
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + interval '200 s'")
    world.sandbox.revoke_grants(domain="pool.example", cause="revoked")
    audit(world, ids)
    assert 100 < world.tokens().get_token("a3@pool.example").seconds <= 200


def test_a_person_who_signs_in_before_the_verdict_wins(world: World):
    ids = healthy(world, 8, "pool.example")
    world.sandbox.revoke_grants("a0@pool.example", cause="revoked")
    actor = dataclasses.replace(world.actor, run_id="first")
    running = decisions.begin_audit(world.store.engine, "first", actor=actor)
    Audit(world.store, world.client, world.settings, actor=actor).run(ids)
    world.reauthenticate("a0@pool.example")
    decided = decisions.decide_refusals(world.store, running, AuditResult(), actor=actor)
    assert decided.confirmed == []
    assert world.grant("a0@pool.example").state is GrantState.ACTIVE


def test_unreadable_grants_are_one_incident_until_they_are_read(world: World):
    running = decisions.begin_audit(world.store.engine, "first", actor=world.actor)
    for unreadable in (3, 3, 0):
        result = AuditResult(counts={AuditOutcome.UNREADABLE: unreadable})
        decisions.decide_refusals(world.store, running, result, actor=world.actor)
    assert world.rows("SELECT kind, closed_at IS NULL FROM gmail_warmup.incident") == [("unreadable", False)]
