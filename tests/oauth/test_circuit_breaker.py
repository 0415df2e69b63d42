"""The breaker: opens once for all processes, asks for one probe at a time, closes with the first success."""

from __future__ import annotations

import pytest

from gmail_warmup.db.models import GrantState
from gmail_warmup.oauth.errors import CircuitOpenError, FlaggedGrantError, OAuthClientError, TransientGrantError
from support.world import CLIENT_ID, World


def incidents(world: World) -> list[tuple[str, str, bool]]:
    rows = world.rows("SELECT kind, reason, closed_at IS NULL FROM gmail_warmup.incident ORDER BY id")
    return [tuple(row) for row in rows]


def quiet_is_over(world: World) -> None:
    world.sql("UPDATE gmail_warmup.breaker SET cooldown_until = now()")


def add(world: World, count: int, *, domain: str = "pool.example") -> list[str]:
    addresses = [f"a{number}@{domain}" for number in range(count)]
    for address in addresses:
        world.add(address)
    return addresses


def fails(world: World, address: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        world.tokens().get_token(address)


def test_a_refused_client_is_asked_about_once_and_one_incident_is_raised(world: World):
    addresses = add(world, 5)
    world.sandbox.add_fault("token", name="token.invalid_client")
    fails(world, addresses[0], OAuthClientError)
    for address in addresses[1:]:
        fails(world, address, CircuitOpenError)
    assert world.token_requests() == 1
    assert incidents(world) == [("app_error", "invalid_client", True)]
    assert all(world.grant(address).state is GrantState.ACTIVE for address in addresses)


def test_one_probe_decides_and_the_first_success_closes_it(world: World):
    addresses = add(world, 4)
    world.sandbox.add_fault("token", name="token.deleted_client")
    fails(world, addresses[0], OAuthClientError)
    quiet_is_over(world)
    fails(world, addresses[1], OAuthClientError)  # the probe
    fails(world, addresses[2], CircuitOpenError)
    world.sandbox.clear_faults()
    quiet_is_over(world)
    assert world.tokens().get_token(addresses[2]).seconds > 3000
    assert world.tokens().get_token(addresses[3]).seconds > 3000
    assert world.token_requests() == 4
    assert incidents(world) == [("app_error", "deleted_client", False)]


def test_while_a_probe_is_under_way_nobody_else_asks(world: World):
    addresses = add(world, 2)
    world.sandbox.add_fault("token", name="token.disabled_client")
    fails(world, addresses[0], OAuthClientError)
    quiet_is_over(world)
    world.sql("UPDATE gmail_warmup.breaker SET probe_until = now() + interval '1 minute'")
    fails(world, addresses[1], CircuitOpenError)
    assert world.token_requests() == 1
    world.sql("UPDATE gmail_warmup.breaker SET probe_until = now()")  # it died
    fails(world, addresses[1], OAuthClientError)


def test_a_probe_that_fails_doubles_the_quiet(world: World):
    address = add(world, 1)[0]
    world.sandbox.add_fault("token", name="token.invalid_client")
    seconds = []
    for _ in range(6):
        fails(world, address, OAuthClientError)
        seconds.append(world.rows("SELECT cooldown_seconds FROM gmail_warmup.breaker")[0][0])
        quiet_is_over(world)
    assert seconds == [60, 120, 240, 480, 900, 900]


def test_an_outage_opens_it_after_ten_different_mailboxes(world: World):
    addresses = add(world, 12)
    world.sandbox.add_fault("token", name="token.html_503")
    for address in [addresses[0]] * 12 + addresses[1:10]:
        fails(world, address, TransientGrantError)
    assert incidents(world) == [("outage", "server_error", True)]
    asked = world.token_requests()
    fails(world, addresses[11], CircuitOpenError)
    assert world.token_requests() == asked


@pytest.mark.parametrize("together", [1, 2, 5, 9])
def test_mailboxes_that_fail_in_turn_are_counted_once_each(world: World, together: int):
    addresses = add(world, 10)
    world.sandbox.add_fault("token", name="token.html_503")
    for _ in range(3):
        for address in addresses[:together]:
            fails(world, address, TransientGrantError)
    assert incidents(world) == []
    for address in addresses[together:]:
        fails(world, address, TransientGrantError)
    assert incidents(world) == [("outage", "server_error", True)]


def test_two_mailboxes_of_another_client_do_not_accuse_the_client(world: World):
    addresses = add(world, 3)
    world.sandbox.add_fault("token", name="token.unauthorized_client")
    for address in addresses[:2] * 3:
        fails(world, address, OAuthClientError)
    assert incidents(world) == []
    fails(world, addresses[2], OAuthClientError)
    assert incidents(world) == [("app_error", "unauthorized_client", True)]


def test_failures_that_were_counted_are_forgotten_after_an_opening(world: World):
    addresses = add(world, 4)
    world.sandbox.add_fault("token", name="token.unauthorized_client")
    for address in addresses[:3]:
        fails(world, address, OAuthClientError)
    world.sandbox.clear_faults()
    quiet_is_over(world)
    world.tokens().get_token(addresses[3])
    world.sandbox.add_fault("token", name="token.html_503")
    fails(world, addresses[0], TransientGrantError)
    assert world.rows("SELECT failed_mailbox_ids, opened_at FROM gmail_warmup.breaker") == [([1], None)]


def test_a_success_in_between_starts_the_count_anew(world: World):
    addresses = add(world, 20)
    for half in (addresses[:9], addresses[10:19]):
        world.sandbox.add_fault("token", name="token.html_500")
        for address in half:
            fails(world, address, TransientGrantError)
        world.sandbox.clear_faults()
        world.tokens().get_token(addresses[9] if half[0] == addresses[0] else addresses[19])
    assert incidents(world) == []


def test_a_valid_token_is_served_while_it_is_open(world: World):
    address = add(world, 1)[0]
    world.add("fresh@pool.example", expired=False)
    world.sandbox.add_fault("token", name="token.invalid_client")
    fails(world, address, OAuthClientError)
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() + interval '100 s' WHERE mailbox_id = 2")
    assert 40 < world.tokens().get_token("fresh@pool.example").seconds <= 100


def test_a_pause_that_google_asks_for_holds_for_everybody(world: World):
    addresses = add(world, 2)
    world.sandbox.add_fault("token", name="token.html_429", times=1)
    fails(world, addresses[0], TransientGrantError)
    fails(world, addresses[1], CircuitOpenError)
    assert world.token_requests() == 1
    assert incidents(world) == []
    quiet_is_over(world)
    assert world.tokens().get_token(addresses[1]).seconds > 3000


def test_a_grant_of_another_client_is_its_own_fault_while_others_work(world: World):
    addresses = add(world, 3)
    world.tokens().get_token(addresses[0])
    world.sandbox.add_fault("token", name="token.unauthorized_client")
    fails(world, addresses[1], FlaggedGrantError)
    assert world.grant(addresses[1]).reason == "other_client"
    assert incidents(world) == []


def test_when_nobody_works_a_client_that_may_not_use_grants_is_the_apps_fault(world: World):
    addresses = add(world, 4)
    world.sandbox.add_fault("token", name="token.unauthorized_client")
    for address in addresses[:3]:
        fails(world, address, OAuthClientError)
    fails(world, addresses[3], CircuitOpenError)
    assert incidents(world) == [("app_error", "unauthorized_client", True)]
    assert all(world.grant(address).state is GrantState.ACTIVE for address in addresses)


def test_clients_have_a_breaker_each(world: World):
    address = add(world, 1)[0]
    world.sandbox.add_fault("token", name="token.invalid_client", times=1)
    fails(world, address, OAuthClientError)
    assert [row[0] for row in world.rows("SELECT client_id FROM gmail_warmup.breaker")] == [CLIENT_ID]
    world.sandbox.put_client("other.apps.example.com", client_secrets=["other-secret"])
    world.client = world.client.__class__(
        client_id="other.apps.example.com", secrets=("other-secret",), token_uri=world.client.token_uri
    )
    fails(world, address, OAuthClientError)  # it asks: unauthorized_client
    assert world.token_requests() == 2
