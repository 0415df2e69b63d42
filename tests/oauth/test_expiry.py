"""Foresight: deaths that are announced, or follow from a rule, are reported before they come."""

from __future__ import annotations

import pytest

from gmail_warmup.oauth import expiry
from gmail_warmup.oauth.errors import FlaggedGrantError
from support.world import World


def expiring(world: World, days: int = 7) -> list[tuple[str, int]]:
    with world.store.engine.connect() as connection:
        count, listed = expiry.list_expiring_grants(connection, days=days)
    assert count == len(listed)
    return [(item.address, item.days) for item in listed]


def advice(world: World) -> list[str]:
    with world.store.engine.connect() as connection:
        return expiry.list_advice(connection)


def test_what_google_announced(world: World):
    for number, days in enumerate((2, 6, 9)):
        world.add(f"a{number}@pool.example")
        world.sql(
            "UPDATE gmail_warmup.oauth_grant SET refresh_expires_at = now() + make_interval(days => :days, hours => 1)"
            " WHERE mailbox_id = :id", days=days, id=number + 1,
        )  # fmt: skip
    assert expiring(world) == [("a0@pool.example", 2), ("a1@pool.example", 6)]


def test_six_idle_months_end_a_grant(world: World):
    world.add("idle@pool.example")
    world.add("used@pool.example")
    world.sql("UPDATE gmail_warmup.oauth_grant SET refreshed_at = now() - interval '176 days 1 h' WHERE mailbox_id = 1")
    assert expiring(world) == [("idle@pool.example", 3)]
    world.tokens().get_token("idle@pool.example")
    assert expiring(world) == []


def test_the_seven_days_of_testing_are_announced_by_every_refresh(world: World):
    world.add("ada@pool.example")
    world.reauthenticate("ada@pool.example", testing=True)
    assert expiring(world) == [("ada@pool.example", 6)]
    assert advice(world) == [expiry.PUBLISH_APP_ADVICE]


@pytest.mark.parametrize(
    ("column", "age", "reason"),
    [
        ("granted_at", "7 days", "expired_in_testing"),
        ("refreshed_at", "200 days", "expired_idle"),
        ("granted_at", "40 days", "expired_or_revoked"),
    ],
)
def test_the_likelier_cause_is_named(world: World, column: str, age: str, reason: str):
    world.add("ada@pool.example")
    world.sql(f"UPDATE gmail_warmup.oauth_grant SET {column} = now() - interval '{age}'")
    world.sandbox.revoke_grants("ada@pool.example", cause="revoked")
    with pytest.raises(FlaggedGrantError):
        world.tokens().get_token("ada@pool.example")
    assert world.grant("ada@pool.example").reason == reason


def test_grants_that_died_at_seven_days_bring_the_advice_too(world: World):
    world.add("ada@pool.example")
    assert advice(world) == []
    world.sql("UPDATE gmail_warmup.oauth_grant SET granted_at = now() - interval '7 days'")
    world.sandbox.revoke_grants("ada@pool.example", cause="revoked")
    with pytest.raises(FlaggedGrantError):
        world.tokens().get_token("ada@pool.example")
    assert advice(world) == [expiry.PUBLISH_APP_ADVICE]
