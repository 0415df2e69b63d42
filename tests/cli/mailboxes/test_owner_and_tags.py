"""``gmail-warmup mailboxes assign`` and ``tags``."""

from __future__ import annotations

from typing import Any

import pytest

from support.world import World

ADA, BOB = "ada@warm.example", "bob@pool.example"


@pytest.fixture
def two(world: World) -> World:
    world.add(ADA, kind="warmup", tags=("sales",))
    world.add(BOB)
    return world


def test_owner_and_tags_are_assigned_and_counted(two: World, shell: Any):
    said = shell("mailboxes", "assign", ADA, BOB, "--owner", "Olivia@example.com", "--add-tag", "North", "--remove-tag",
                 "sales")  # fmt: skip
    assert "Changed 2 of 2 mailboxes" in said
    for address in (ADA, BOB):
        assert (two.mailbox(address).owner_email, two.mailbox(address).tags) == ("olivia@example.com", ("north",))
    assert "no change for 2" in shell("mailboxes", "assign", ADA, BOB, "--add-tag", "north")
    assert shell.json("mailboxes", "tags") == [{"tag": "north", "mailboxes": 2}]
    assert "Changed 1 of 1 mailbox." in shell("mailboxes", "assign", ADA, "--owner", "")
    assert two.mailbox(ADA).owner_email is None


def test_a_mailbox_is_added_with_owner_and_tags(world: World, shell: Any):
    shell("mailboxes", "add", ADA, "--kind", "warmup", "--owner", "olivia@example.com", "--tag", "b", "--tag", "A")
    assert (world.mailbox(ADA).owner_email, world.mailbox(ADA).tags) == ("olivia@example.com", ("a", "b"))


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ((), "Nothing to change: give --owner, --add-tag or --remove-tag."),
        (("--add-tag", "x" * 200), "has 200 characters, and a tag has at most 50. Shorten it."),
        (("--remove-tag", "a,b"), "contains a comma"),
        (("--owner", "olivia"), "'olivia' is not a mail address"),
    ],
)
def test_a_wrong_value_changes_nothing_and_names_the_rule(two: World, shell: Any, words: tuple[str, ...], rule: str):
    shell("mailboxes", "assign", ADA, *words, code=2)
    assert rule in shell.err
    assert two.mailbox(ADA).tags == ("sales",)


@pytest.mark.parametrize(("option", "value"), [("--tag", "x" * 200), ("--owner", "olivia")])
def test_a_wrong_filter_is_an_error_and_no_empty_list(two: World, shell: Any, option: str, value: str):
    shell("mailboxes", "list", option, value, code=2)
    assert "tag has at most 50" in shell.err or "is not a mail address" in shell.err
