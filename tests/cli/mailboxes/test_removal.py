"""``gmail-warmup mailboxes remove`` and ``removals``: what a person and a program see."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from gmail_warmup.cli import app
from support.removal_kit import request
from support.workers import services
from support.world import World

ADA, BOB = "ada@warm.example", "bob@pool.example"


def addresses(world: World) -> list[str]:
    return [address for (address,) in world.rows("SELECT address FROM gmail_warmup.mailbox ORDER BY 1")]


def test_a_mailbox_is_removed_after_its_address_was_typed(world: World, shell: Any):
    world.add(ADA)
    world.add(BOB)
    shell("mailboxes", "remove", ADA, "--confirm", "1", code=2)
    assert "The confirmation is not the address, ada@warm.example. Nothing was changed." in shell.err
    asked = CliRunner().invoke(
        app, ["mailboxes", "remove", ADA, "--revoke-grant"], obj=services(world), input=f"{ADA}\n"
    )
    assert asked.exit_code == 0, asked.output
    assert "ends every grant that the account gave" in asked.stderr
    assert "Removal 1: Deleted: " in asked.stdout
    assert "Google revoked the grant." in asked.stdout
    assert addresses(world) == [BOB]


def test_several_are_removed_after_their_number_was_typed_or_none(world: World, shell: Any):
    world.add(ADA)
    world.add(BOB)
    shell("mailboxes", "remove", ADA, BOB, "eve@warm.example", "--confirm", "3", code=2)
    assert addresses(world) == [ADA, BOB]
    removed = shell.json("mailboxes", "remove", ADA, BOB, "--confirm", "2")
    assert [(state["step"], state["address"]) for state in removed] == [("done", None)] * 2
    listed = shell.json("mailboxes", "removals")
    assert [state["id"] for state in listed] == [2, 1]
    assert "2 removals" in shell("mailboxes", "removals")


@pytest.mark.parametrize(
    "words",
    [
        ("pause", ADA, "--reason", "rest"),
        ("resume", ADA),
        ("requalify", ADA),
        ("assign", ADA, "--add-tag", "x"),
        ("schedule", "set", ADA, "--value", "open_rate=9"),
        ("rename", ADA, "eva@warm.example", "--without-check"),
        ("invite", ADA),
    ],
    ids=lambda words: words[0],
)
def test_a_mailbox_that_is_being_removed_is_not_changed(
    world: World, shell: Any, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    world.add(ADA)
    request(world)
    before = world.mailbox(ADA)
    shell("mailboxes", *words, code=2)
    assert f"{ADA} is being removed. It cannot be changed; wait until it is gone" in shell.err
    assert world.mailbox(ADA) == before


def test_a_removal_that_waits_is_shown_and_continued(world: World, shell: Any):
    world.add(ADA)
    world.sandbox.add_fault("revoke", close=True)
    shown = shell("mailboxes", "remove", ADA, "--revoke-grant", "--confirm", ADA, code=1)
    assert f"The removal of {ADA} waits. Google could not be reached." in shown
    assert "unreachable" in shell("mailboxes", "removals")
    world.sandbox.clear_faults()
    assert shell.json("mailboxes", "removals", "--continue")[0]["step"] == "done"
