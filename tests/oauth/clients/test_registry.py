"""The registry of OAuth clients: what it refuses, and what it records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gmail_warmup.core.errors import ConfigurationError, GmailWarmupError, InvalidInputError
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.oauth.clients import registry
from support.interleaving import until_waiting
from support.world import CLIENT_ID, World

DEFAULT, SECOND = "gmail_oauth_client", "second"


def put(world: World, conn_id: str = SECOND, client_id: str = "client-2", **values: Any) -> registry.Client:
    changes: registry.ClientChanges = {**values}  # type: ignore[typeddict-item]
    with write_transaction(world.store.engine) as connection:
        return registry.set_client(connection, conn_id, client_id, changes, default=DEFAULT, actor="op")


def retire(world: World, conn_id: str, *, retired: bool = True) -> registry.Client:
    with write_transaction(world.store.engine) as connection:
        return registry.set_retired(connection, conn_id, retired=retired, default=DEFAULT, actor="op")


def list_ids(world: World) -> list[str]:
    with read_transaction(world.store.engine) as connection:
        return [client.conn_id for client in registry.list_clients(connection, default=DEFAULT)]


def test_the_default_client_is_always_there_and_first(world: World):
    assert list_ids(world) == [DEFAULT]
    put(world, "another")
    assert list_ids(world) == [DEFAULT, "another"]
    put(world, DEFAULT, CLIENT_ID)
    assert list_ids(world) == [DEFAULT, "another"]


def test_two_clients_that_are_given_the_same_tag_at_the_same_time(world: World):
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(world.store.engine) as connection:
            registry.set_client(connection, "first", "client-1", {"tags": ["brand"]}, default=DEFAULT, actor="op")
            second = pool.submit(put, world, tags=["brand"])
            until_waiting(world, second)
        with pytest.raises(InvalidInputError, match="'brand' is assigned to the OAuth client 'first'"):
            second.result(timeout=30)


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ({"user_limit": -1}, InvalidInputError, r"user_limit must be between 0 and 1,000,000 \(it is -1\)"),
        ({"user_limit": 2_000_000}, InvalidInputError, "user_limit must be between"),
        ({"tags": ["x" * 51]}, InvalidInputError, "has 51 characters"),
        ({"tags": ["Brand"]}, InvalidInputError, "'brand' is assigned to the OAuth client 'first'"),
        ({"client_id": "client-1"}, ConfigurationError, "'first' and 'second' have the same client id client-1"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_changes_nothing(
    world: World, values: dict[str, Any], kind: type[GmailWarmupError], text: str
):
    put(world, "first", "client-1", tags=["brand"])
    with pytest.raises(kind, match=text):
        put(world, **values)
    assert list_ids(world) == [DEFAULT, "first"]


@pytest.mark.parametrize(
    ("changes", "limit", "tags"),
    [
        ({}, 100, ("brand",)),
        ({"tags": ["other"]}, 100, ("other",)),
        ({"tags": []}, 100, ()),
        ({"user_limit": 7}, 7, ("brand",)),
        ({"user_limit": None}, None, ("brand",)),
        ({"user_limit": 0, "tags": []}, 0, ()),
    ],
)
def test_what_is_left_out_is_kept(world: World, changes: dict[str, Any], limit: int | None, tags: tuple[str, ...]):
    put(world, user_limit=100, tags=["Brand"])
    changed = put(world, **changes)
    assert (changed.user_limit, changed.tags) == (limit, tags)


def test_the_default_client_and_an_unknown_one_cannot_be_retired(world: World):
    with pytest.raises(InvalidInputError, match="is the default OAuth client"):
        retire(world, DEFAULT)
    with pytest.raises(InvalidInputError, match="'second' is not registered"):
        retire(world, SECOND)


def test_each_change_is_in_the_change_log(world: World):
    put(world, user_limit=100)
    put(world, user_limit=50, tags=["b", "A"])
    put(world, user_limit=50, tags=["a", "B "])
    put(world)
    put(world, tags=["b"])
    retire(world, SECOND)
    retire(world, SECOND)
    assert retire(world, SECOND, retired=False).state == "open"
    entries = world.rows("SELECT action, actor, subject, before, after FROM gmail_warmup.change_log ORDER BY id")
    assert entries == [
        ("client_set", "op", SECOND, None, {"user_limit": 100, "tags": []}),
        ("client_set", "op", SECOND, {"user_limit": 100, "tags": []}, {"user_limit": 50, "tags": ["a", "b"]}),
        ("client_set", "op", SECOND, {"tags": ["a", "b"]}, {"tags": ["b"]}),
        ("client_retire", "op", SECOND, None, {"grants": 0}),
        ("client_reopen", "op", SECOND, None, None),
    ]


def test_a_client_id_that_the_connection_has_now_is_recorded_once(world: World):
    put(world)
    with write_transaction(world.store.engine) as connection:
        registry.record_client_id(connection, SECOND, "client-9")
        registry.record_client_id(connection, SECOND, "client-9")
    assert world.rows("SELECT conn_id, client_id FROM gmail_warmup.oauth_client") == [(SECOND, "client-9")]
