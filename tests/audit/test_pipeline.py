"""The audit: who is asked about, what is counted, what the report says."""

from __future__ import annotations

import pytest

from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.audit.report import AuditReport, build_report
from gmail_warmup.audit.report_text import format_report
from gmail_warmup.audit.results import AuditResult
from gmail_warmup.audit.throttle_policy import ThrottlePolicy
from gmail_warmup.db.models import GrantState
from support.world import World


def audit(world: World, *ids: int, force: bool = False) -> AuditResult:
    return Audit(world.store, world.client, world.settings, actor=world.actor, force=force).run(ids)


def report(world: World, result: AuditResult) -> AuditReport:
    with world.store.engine.begin() as connection:
        return build_report(connection, result, expiring_days=7)


def test_the_state_in_which_the_first_system_was_found(world: World):
    living = [world.add(f"living-{number}@warm.example", kind="warmup") for number in range(9)]
    dead = [world.add(f"dead-{number}@pool.example") for number in range(7)]
    world.sandbox.revoke_grants(domain="pool.example", cause="revoked")
    first = audit(world, *living, *dead)
    assert first.counts == {"refreshed": 9, "needs_reauth": 7}

    health = report(world, first)
    assert (health.valid, health.refreshed, health.needs_reauth, len(health.attention)) == (0, 9, 7, 7)
    lines = "\n".join(format_report(health))
    assert "dead-3@pool.example" in lines
    assert "expired or revoked" in lines
    assert "Re-authenticate" in lines


def test_a_second_audit_asks_nothing_about_what_is_known(world: World):
    ids = [world.add("living@warm.example"), world.add("dead@pool.example")]
    world.sandbox.revoke_grants("dead@pool.example", cause="revoked")
    audit(world, *ids)
    asked = world.token_requests()
    again = audit(world, *ids)
    assert world.token_requests() == asked == 2
    assert again.counts == {"valid": 1, "needs_reauth": 1}


def test_forced_it_asks_about_every_living_grant(world: World):
    ids = [world.add("living@warm.example"), world.add("dead@pool.example")]
    world.sandbox.revoke_grants("dead@pool.example", cause="revoked")
    audit(world, *ids)
    audit(world, *ids, force=True)
    assert world.token_requests("living@warm.example") == 2
    assert world.token_requests("dead@pool.example") == 1


def test_a_wrong_client_secret_flags_nobody_and_stops_asking(world: World):
    ids = [world.add(f"a{number}@pool.example") for number in range(30)]
    world.sandbox.add_fault("token", name="token.invalid_client")
    world.settings = world.settings.model_copy(update={"audit_concurrency": 2})
    result = audit(world, *ids)
    assert result.app_error == "invalid_client"
    assert world.token_requests() <= 2
    assert all(world.grant(f"a{number}@pool.example").state is GrantState.ACTIVE for number in range(30))
    assert any("no account is affected" in line for line in format_report(report(world, result)))


def test_throttling_slows_down_and_loses_nobody(world: World):
    ids = [world.add(f"a{number}@pool.example") for number in range(10)]
    world.sandbox.add_fault("token", name="token.html_429", times=3)
    assert audit(world, *ids).counts == {"refreshed": 10}


@pytest.mark.parametrize("answer", ["token.rate_limit_html_403", "token.rate_limit_json_403", "token.too_many_429"])
def test_a_mailbox_that_is_always_throttled_is_set_aside_for_the_second_pass(world: World, answer: str):
    ids = [world.add(f"a{number}@pool.example") for number in range(40)]
    throttled = [f"a{number}@pool.example" for number in (3, 4, 5)]
    for address in throttled:
        world.sandbox.add_fault("token", name=answer, address=address)
    first = audit(world, *ids)
    assert first.counts == {"refreshed": 37, "throttled": 3}
    requests = [world.token_requests(address) for address in throttled]
    assert max(requests) <= ThrottlePolicy.MAX_OWN_REFUSALS, requests
    world.sandbox.clear_faults()
    assert audit(world, *ids).counts == {"valid": 37, "refreshed": 3}


def test_a_blocked_grant_is_probed_when_its_day_is_over(world: World):
    mailbox_id = world.add("ada@pool.example")
    world.sandbox.revoke_grants("ada@pool.example", cause="admin_policy")
    audit(world, mailbox_id)
    audit(world, mailbox_id)
    assert world.token_requests() == 1
    world.sandbox.restore_grants("ada@pool.example")
    world.sql("UPDATE gmail_warmup.oauth_grant SET next_probe_at = now()")
    assert audit(world, mailbox_id).counts == {"refreshed": 1}
    assert world.events("ada@pool.example")[-1] == ("blocked_by_admin", "active", None)


def test_an_announced_end_is_reported_before_it_comes(world: World):
    mailbox_id = world.add("ada@pool.example")
    world.sql("UPDATE gmail_warmup.oauth_grant SET refresh_expires_at = now() + interval '3 days'")
    assert report(world, audit(world, mailbox_id)).expiring == 1
