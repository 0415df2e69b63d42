"""The running counts behind the open and reply rates equal the ledger, although they are never read from it."""

from __future__ import annotations

import importlib

import pytest

from gmail_warmup.core.enums import Action
from support.mail_kit import ADA, act, everybody, find_at_night
from support.world import World

MIGRATION = importlib.import_module("gmail_warmup.db.migrations.versions.0007_running_counts")


@pytest.fixture
def drawn(warm: World) -> World:
    """Six placed mails; by the rates all of them are opened and three are answered."""
    act(warm, Action.SEND)
    find_at_night(warm)
    return warm


def counts(world: World) -> tuple[int, int, int]:
    names = "mails_placed, mails_opened, mails_answered"
    (found,) = world.rows(f"SELECT {names} FROM gmail_warmup.mailbox WHERE address = :address", address=ADA)
    return found


def counts_of_ledger(world: World) -> tuple[int, int, int]:
    """Return the counts that the migration computes from the ledger."""
    world.sql("UPDATE gmail_warmup.mailbox SET mails_placed = 0, mails_opened = 0, mails_answered = 0")
    world.sql(MIGRATION._COUNT)
    return counts(world)


def test_they_are_those_of_the_ledger(drawn: World):
    everybody(drawn, Action.READ, Action.REPLY)
    act(drawn, Action.COLLECT)
    assert counts(drawn) == (6, 6, 3)
    assert counts_of_ledger(drawn) == (6, 6, 3)


def test_what_a_person_deletes_unread_does_not_count_as_opened(drawn: World):
    drawn.sql(
        "UPDATE gmail_warmup.ledger SET recipient_gmail_id = 'gone' WHERE id ="
        " (SELECT min(id) FROM gmail_warmup.ledger WHERE read_due_at IS NOT NULL)"
    )
    assert everybody(drawn, Action.READ)["read"] == 5
    found = counts(drawn)
    assert found[:2] == (6, 5)
    assert counts_of_ledger(drawn) == found
