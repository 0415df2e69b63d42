"""``gmail-warmup mailboxes invite`` and ``invites``: links for owners, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from gmail_warmup.oauth.consent import invites
from support.world import World

ADA, BOB = "ada@warm.example", "bob@pool.example"


@pytest.fixture
def two(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/sub/")
    world.add(ADA, kind="warmup")
    world.add(BOB)
    return world


def opens(world: World, token: str) -> str | None:
    with world.store.engine.begin() as connection:
        found = invites.find_open_invite(connection, token)
    return found.address if found else None


def test_links_are_printed_a_line_each_and_open_their_mailbox(two: World, shell: Any):
    lines = [line.split("\t") for line in shell("mailboxes", "invite", BOB, "ADA@warm.example").splitlines()]
    assert [address for address, _ in lines] == [ADA, BOB]
    for address, url in lines:
        link, _, token = url.partition("#")
        assert link == "https://airflow.example.com/sub/gmail-warmup/invite"
        assert opens(two, token) == address


@pytest.mark.parametrize("other", ["x@y.example", "robot@pool.example"])
def test_one_that_cannot_be_invited_and_none_is_made(two: World, shell: Any, other: str):
    shell("mailboxes", "add", "robot@pool.example", "--kind", "pool", "--auth", "delegated")
    shell("mailboxes", "invite", ADA, other, code=2)
    assert other in shell.err
    assert len(shell.err.splitlines()) == 1
    assert shell.json("invites", "list") == []


def test_without_an_address_of_its_own_no_link_is_made(two: World, shell: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    shell("mailboxes", "invite", ADA, code=2)
    assert "AIRFLOW__API__BASE_URL" in shell.err
    assert shell.json("invites", "list") == []


def test_the_list_shows_what_became_of_them_and_no_link(two: World, shell: Any):
    token = shell.json("mailboxes", "invite", ADA)[0]["url"].partition("#")[2]
    shell("mailboxes", "invite", BOB)
    assert "The invite 2 for bob@pool.example is revoked." in shell("invites", "revoke", "2")
    shown = shell("invites", "list")
    assert "2 invites" in shown
    assert token not in shown
    assert [(row["id"], row["state"]) for row in shell.json("invites", "list")] == [(2, "revoked"), (1, "open")]
    assert [row["id"] for row in shell.json("invites", "list", "--state", "open")] == [1]
    assert [row["id"] for row in shell.json("invites", "list", "--address", BOB)] == [2]
    assert [row["id"] for row in shell.json("invites", "list", "--limit", "1")] == [2]
    assert opens(two, token) == ADA
    shell("invites", "revoke", "1")
    assert opens(two, token) is None


def test_what_cannot_be_revoked_is_one_line(two: World, shell: Any):
    shell("mailboxes", "invite", ADA)
    two.sql("UPDATE gmail_warmup.invite SET used_at = now()")
    for number, said in (("1", "was used"), ("7", "There is no invite 7")):
        shell("invites", "revoke", number, code=2)
        assert said in shell.err
        assert len(shell.err.splitlines()) == 1
