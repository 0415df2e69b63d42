"""One pass of the audit with several OAuth clients: what happens to one of them does not concern the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from gmail_warmup.airflow.audit_runner import run_audit_pass
from gmail_warmup.airflow.services import Services
from gmail_warmup.audit import decisions
from gmail_warmup.audit.results import AuditOutcome, AuditResult
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth.clients.registry import set_client
from support.workers import services
from support.world import CLIENT_SECRET, World

SECOND, SECOND_ID = "second", "client-2.apps.example.com"
OWN = [f"a{number}@pool.example" for number in range(8)]
OTHERS = [f"b{number}@pool.example" for number in range(8)]


@pytest.fixture
def two_clients(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Services, Sequence[int]]:
    """Mailboxes of two clients, all healthy and with an expired access token."""
    extra = {"token_uri": world.client.token_uri}
    connection = {"conn_type": "gmail_oauth_client", "login": SECOND_ID, "password": CLIENT_SECRET, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(connection))
    world.sandbox.put_client(SECOND_ID, client_secrets=[CLIENT_SECRET])
    with write_transaction(world.store.engine) as connection_:
        set_client(connection_, SECOND, SECOND_ID, {}, default="gmail_oauth_client", actor="test")
    ids = [world.add(address) for address in OWN]
    ids += [world.add(address, client_id=SECOND_ID) for address in OTHERS]
    world.sql("UPDATE gmail_warmup.oauth_grant SET refreshed_at = now() - interval '2 days'")
    return services(world), ids


def audit(world: World, services: Services, ids: Sequence[int], progress: Callable[[int], None] = print) -> AuditResult:
    running = decisions.begin_audit(world.store.engine, "first", actor=world.actor)
    result = run_audit_pass(services, ids, actor=world.actor, force=False, progress=progress)
    decisions.decide_refusals(world.store, running, result, actor=world.actor)
    return result


def states(world: World, addresses: Sequence[str]) -> set[GrantState]:
    return {world.grant(address).state for address in addresses}


def test_each_grant_is_refreshed_with_its_own_client(world: World, two_clients: tuple[Services, Sequence[int]]):
    seen: list[int] = []
    result = audit(world, *two_clients, seen.append)
    assert result.counts == {AuditOutcome.REFRESHED: 16}
    assert seen[-1] == 16
    assert seen == sorted(seen)
    assert dict(world.rows("SELECT client_id, count(*) FROM gmail_warmup.oauth_grant GROUP BY client_id")) == {
        world.client.client_id: 8,
        SECOND_ID: 8,
    }


@pytest.mark.parametrize("is_second", [True, False], ids=["second", "default"])
def test_a_refused_client_stops_and_suspects_only_its_own_mailboxes(
    world: World, two_clients: tuple[Services, Sequence[int]], is_second: bool
):
    refused, own, others = (SECOND_ID, OTHERS, OWN) if is_second else (world.client.client_id, OWN, OTHERS)
    world.sandbox.refuse_client(refused, "invalid_client")
    result = audit(world, *two_clients)
    assert result.count(AuditOutcome.REFRESHED) == len(others)
    assert result.count(AuditOutcome.APP_ERROR) == len(own)
    assert states(world, [*own, *others]) == {GrantState.ACTIVE}
    opened = "SELECT client_id FROM gmail_warmup.breaker WHERE opened_at IS NOT NULL"
    assert world.rows(opened) == [(refused,)]
    assert world.rows("SELECT kind, key FROM gmail_warmup.incident") == [("app_error", refused)]


def test_a_mass_refusal_is_counted_for_each_client(world: World, two_clients: tuple[Services, Sequence[int]]):
    world.sandbox.revoke_grants(*OTHERS, cause="revoked")
    world.sandbox.revoke_grants(OWN[0], cause="revoked")
    audit(world, *two_clients)
    assert states(world, OTHERS) == {GrantState.SUSPECT}
    assert world.grant(OWN[0]).state is GrantState.NEEDS_REAUTH
    query = "SELECT key, detail->>'held', detail->>'healthy' FROM gmail_warmup.incident WHERE kind = 'mass_refusal'"
    assert world.rows(query) == [(SECOND_ID, "8", "8")]


def test_a_client_without_a_usable_connection_is_reported_and_stops_nobody_else(
    world: World, two_clients: tuple[Services, Sequence[int]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AIRFLOW_CONN_SECOND")
    result = audit(world, *two_clients)
    assert result.counts == {AuditOutcome.REFRESHED: 8, AuditOutcome.APP_ERROR: 8}
    assert states(world, [*OWN, *OTHERS]) == {GrantState.ACTIVE}
    query = "SELECT kind, key, reason FROM gmail_warmup.incident"
    assert world.rows(query) == [("app_error", SECOND_ID, "client_not_configured")]
