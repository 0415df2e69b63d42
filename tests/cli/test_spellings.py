"""The commands know a mailbox and a domain in each spelling that a person may type."""

from __future__ import annotations

import pytest

from gmail_warmup.oauth.consent import invites
from support.world import World

DOMAIN = "xn--bcher-kva.example"
ADA, OTHER = f"ada@{DOMAIN}", "ben@warm.example"
DOMAINS = ["bücher.example", "BÜCHER.example.", "bücher。example"]
ADDRESSES = ["ada@bücher.example", "ADA@BÜCHER.example.", " ada@bücher\uff0eexample"]


@pytest.fixture
def ada(world: World) -> World:
    world.add(OTHER, kind="warmup")
    world.add(ADA, kind="warmup", owner_email=ADA)
    return world


@pytest.mark.parametrize("typed", DOMAINS)
def test_a_domain(shell, ada: World, typed: str):
    for words in (("list", "--domain", typed), ("list", "--search", typed), ("readiness", "--domain", typed)):
        assert [row["address"] for row in shell.json("mailboxes", *words)] == [ADA], words


@pytest.mark.parametrize("typed", ADDRESSES)
def test_an_address(shell, ada: World, typed: str):
    shell("mailboxes", "pause", typed, "--reason", "rest")
    assert ada.mailbox(ADA).paused_at is not None
    with ada.store.engine.begin() as connection:
        invites.create_invites(connection, [typed], actor="op", days=7)
    assert [row["address"] for row in shell.json("invites", "list", "--address", typed)] == [ADA]
    for words in (("--search", typed), ("--owner", typed)):
        assert [row["address"] for row in shell.json("mailboxes", "list", *words)] == [ADA], words
    assert ADA in shell("grants", "show", typed)
