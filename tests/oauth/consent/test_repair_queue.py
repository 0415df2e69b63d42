"""The queue of a user: a double click, and mailboxes that are removed meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.oauth.consent import repair_queue
from support.world import World

BOXES = [f"box{number}@pool.example" for number in range(20)]


@pytest.fixture
def ids(world: World) -> list[int]:
    return [world.add(address) for address in BOXES]


def start(world: World, ids: Sequence[int], user: str = "op") -> None:
    with write_transaction(world.store.engine) as connection:
        repair_queue.start_queue(connection, user, ids)


def addresses(world: World, user: str = "op") -> list[str]:
    with read_transaction(world.store.engine) as connection:
        return [item.address for item in repair_queue.load_queue(connection, user).items]


@pytest.mark.parametrize("users", [["op"], ["op", "viewer"]])
def test_a_queue_that_is_started_several_times_at_once_is_started(world: World, ids: list[int], users: list[str]):
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(start, world, ids, users[number % len(users)]) for number in range(24)]:
            done.result()
    assert [addresses(world, user) for user in users] == [BOXES] * len(users)


def test_a_mailbox_that_was_removed_meanwhile_is_left_out(world: World, ids: list[int]):
    world.sql("DELETE FROM gmail_warmup.mailbox WHERE id = :id", id=ids[3])
    start(world, ids)
    assert addresses(world) == [*BOXES[:3], *BOXES[4:]]
    start(world, ids[:1])
    assert addresses(world) == BOXES[:1]
    start(world, [])
    assert addresses(world) == []
