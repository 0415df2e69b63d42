"""Refusals at the same moment are counted one after another, so that no more grants are flagged than the limit."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from gmail_warmup.audit import decisions
from gmail_warmup.audit.results import AuditResult
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.locks import lock_grants
from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth.grant_updates import GrantUpdate
from gmail_warmup.oauth.mass_refusal import MIN_MASS_REFUSALS
from gmail_warmup.oauth.reasons import REASONS
from support.interleaving import results, until_waiting
from support.world import World

TASKS = 32


def add_healthy(world: World, count: int) -> list[str]:
    addresses = [f"a{number}@pool.example" for number in range(count)]
    for address in addresses:
        world.add(address)
    world.sql("UPDATE gmail_warmup.oauth_grant SET refreshed_at = now()")
    return addresses


def states(world: World) -> Counter[str]:
    return Counter(dict(world.rows("SELECT state, count(*) FROM gmail_warmup.oauth_grant GROUP BY state")))


@pytest.mark.parametrize("code", ["expired_or_revoked", "account_deleted", "blocked_by_admin", "gmail_disabled"])
def test_of_many_tasks_refused_at_once_the_limit_is_flagged_and_the_others_are_held(world: World, code: str):
    grants = [world.grant(address) for address in add_healthy(world, TASKS)]
    with ThreadPoolExecutor(TASKS) as pool:
        with write_transaction(world.store.engine) as connection:
            lock_grants(connection, [grant.mailbox_id for grant in grants])  # every task has to wait before it writes
            running = [
                pool.submit(world.store.record_refusal, grant, REASONS[code], actor=world.actor) for grant in grants
            ]
            until_waiting(world, *running)
        written = results(running)
    assert Counter(update.state for update in written) == {
        REASONS[code].state: MIN_MASS_REFUSALS,
        GrantState.SUSPECT: TASKS - MIN_MASS_REFUSALS,
    }
    assert states(world)[GrantState.SUSPECT] == TASKS - MIN_MASS_REFUSALS
    assert world.rows("SELECT kind, closed_at FROM gmail_warmup.incident") == [("mass_refusal", None)]


def test_an_audit_and_tasks_that_flag_at_once_keep_the_limit(world: World):
    addresses = add_healthy(world, 12)
    audit = decisions.begin_audit(world.store.engine, "first", actor=world.actor)
    suspects, others = addresses[:4], addresses[4:]
    world.store.apply_updates(
        [GrantUpdate(grant=world.grant(one), state=GrantState.SUSPECT, reason="expired_or_revoked", probe_seconds=900)
         for one in suspects],
        actor=world.actor,
    )  # fmt: skip
    grants = [world.grant(address) for address in others]
    with ThreadPoolExecutor(len(grants) + 1) as pool:
        with write_transaction(world.store.engine) as connection:
            lock_grants(connection, [world.grant(address).mailbox_id for address in addresses])
            running = [pool.submit(decisions.decide_refusals, world.store, audit, AuditResult(), actor=world.actor)]
            running += [
                pool.submit(world.store.record_refusal, grant, REASONS["expired_or_revoked"], actor=world.actor)
                for grant in grants
            ]
            until_waiting(world, *running)
        results(running)
    assert states(world)[GrantState.NEEDS_REAUTH] <= MIN_MASS_REFUSALS
    assert states(world)[GrantState.ACTIVE] == 0


def test_a_refusal_of_a_replaced_grant_opens_no_incident(world: World):
    addresses = add_healthy(world, MIN_MASS_REFUSALS + 1)
    for address in addresses[:-1]:
        world.store.record_refusal(world.grant(address), REASONS["expired_or_revoked"], actor=world.actor)
    late = world.grant(addresses[-1])
    world.reauthenticate(addresses[-1])
    assert world.store.record_refusal(late, REASONS["expired_or_revoked"], actor=world.actor) is None
    assert world.rows("SELECT count(*) FROM gmail_warmup.incident") == [(0,)]
