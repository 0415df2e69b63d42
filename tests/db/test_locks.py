"""Transactions lock rows in one order; one that PostgreSQL cancels because of another one is repeated once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from gmail_warmup.db.engine import retry_conflict, write_transaction
from gmail_warmup.mailboxes import bulk, repository
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges, change_settings
from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.planning import next_send
from support.interleaving import results, until_waiting
from support.world import World

POOL, WARMUP, OTHER = "pia@pool.example", "ada@warm.example", "ben@warm.example"
EVERYBODY = (POOL, WARMUP, OTHER)

BULK: dict[str, Callable[[sa.Connection], Any]] = {
    "pause": lambda connection: repository.pause_mailboxes(connection, EVERYBODY, actor="op", reason="holiday"),
    "resume": lambda connection: repository.resume_mailboxes(connection, EVERYBODY, actor="op"),
    "change": lambda connection: change_settings(connection, EVERYBODY, MailboxChanges(open_rate=10), actor="op"),
    "requalify": lambda connection: monitor.requalify_mailboxes(connection, EVERYBODY, actor="op"),
    "import": lambda connection: bulk.find_existing(connection, EVERYBODY, lock=True),
}


@pytest.fixture
def mailboxes(world: World) -> World:
    """Return a world in which the pool mailbox has the lowest id."""
    world.add(POOL)
    world.add(WARMUP, kind="warmup")
    world.add(OTHER, kind="warmup")
    world.sql("UPDATE gmail_warmup.mailbox SET band = 'blocked', next_send_at = now()")
    world.sql("UPDATE gmail_warmup.mailbox SET paused_at = now() WHERE address <> :pool", pool=POOL)
    return world


def in_transaction(world: World, work: Callable[[sa.Connection], Any]) -> None:
    with write_transaction(world.store.engine) as connection:
        work(connection)


def lock(connection: sa.Connection, address: str) -> None:
    connection.execute(
        sa.text("UPDATE gmail_warmup.mailbox SET lease_until = now() WHERE address = :address"), {"address": address}
    )


@pytest.mark.parametrize("change", BULK.values(), ids=BULK)
def test_a_change_of_many_mailboxes_and_a_claim_do_not_deadlock(
    mailboxes: World, change: Callable[[sa.Connection], Any]
):
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(mailboxes.store.engine) as connection:
            lock(connection, WARMUP)  # as a claim does: first the sender,
            running = pool.submit(in_transaction, mailboxes, change)
            until_waiting(mailboxes, running)
            lock(connection, POOL)  # then its partner
        results([running])


@pytest.mark.parametrize("change", [*BULK.values(), next_send.clear_all_hints], ids=[*BULK, "hints"])
def test_changes_of_many_mailboxes_do_not_deadlock_with_each_other(
    mailboxes: World, change: Callable[[sa.Connection], Any]
):
    with ThreadPoolExecutor(1) as pool:
        with write_transaction(mailboxes.store.engine) as connection:
            lock(connection, WARMUP)
            running = pool.submit(in_transaction, mailboxes, change)
            until_waiting(mailboxes, running)
            lock(connection, OTHER)
        results([running])


def raise_state(connection: sa.Connection, state: str) -> None:
    connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")


@pytest.mark.parametrize(("state", "failures", "calls"), [("40P01", 1, 2), ("40001", 1, 2)])
def test_a_cancelled_transaction_is_repeated_once(
    world: World, caplog: pytest.LogCaptureFixture, state: str, failures: int, calls: int
):
    made = []

    @retry_conflict
    def change(address: str) -> str:
        made.append(address)
        with write_transaction(world.store.engine) as connection:
            repository.pause_mailboxes(connection, [address], actor="op", reason="holiday")
            if len(made) <= failures:
                raise_state(connection, state)
        return address

    world.add(POOL)
    with caplog.at_level(logging.WARNING):
        assert change(POOL) == POOL
    assert len(made) == calls
    assert "is repeated once" in caplog.text
    assert world.mailbox(POOL).paused_at


@pytest.mark.parametrize(("state", "calls"), [("40P01", 2), ("40001", 2), ("23514", 1), ("55P03", 1)])
def test_no_transaction_is_repeated_twice_and_no_other_error_at_all(world: World, state: str, calls: int):
    made = []

    @retry_conflict
    def change() -> None:
        made.append(1)
        with write_transaction(world.store.engine) as connection:
            raise_state(connection, state)

    with pytest.raises(DBAPIError):
        change()
    assert len(made) == calls


def test_two_transactions_that_deadlock_both_succeed(mailboxes: World):
    """The product's order is broken on purpose: each holds the row that the other one wants."""

    @retry_conflict
    def lock_backwards() -> None:
        with write_transaction(mailboxes.store.engine) as connection:
            lock(connection, OTHER)
            lock(connection, WARMUP)

    with ThreadPoolExecutor(1) as pool:
        with write_transaction(mailboxes.store.engine) as connection:
            connection.exec_driver_sql("SET LOCAL deadlock_timeout = '1min'")  # so that the other one is cancelled
            lock(connection, WARMUP)
            running = pool.submit(lock_backwards)
            until_waiting(mailboxes, running)
            lock(connection, OTHER)  # waits until the other transaction is cancelled
        results([running])
