"""Applying a plan: what another person changed since it was made is kept, and the result says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy.exc import OperationalError

from gmail_warmup.core.enums import CONSUMER_DOMAINS, MailboxAuth
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.transfer.directory.apply import BATCH_SIZE, apply_sync, count_effects, describe_stop
from gmail_warmup.transfer.directory.plan import SyncEffect, SyncEntry
from support.world import World

ADA = "ada@work.example"
SETTINGS = MailboxSettings(kind="pool", auth=MailboxAuth.DELEGATED)


def add(world: World, address: str = ADA) -> None:
    with write_transaction(world.store.engine) as connection:
        repository.add_or_update(connection, address, MailboxSettings(kind="warmup"), actor="kim")


def pause(world: World) -> None:
    add(world)
    world.sql(
        "UPDATE gmail_warmup.mailbox SET paused_at = now(), paused_until = current_date + 9, pause_reason = 'holiday'"
    )


def tag(world: World) -> None:
    add(world)
    world.sql("INSERT INTO gmail_warmup.mailbox_tag (mailbox_id, tag) SELECT id, 'sales' FROM gmail_warmup.mailbox")


def nothing(world: World) -> None:
    """The mailbox was removed."""


MEANWHILE = [
    (SyncEffect.ADD, add), (SyncEffect.ADD, pause), (SyncEffect.PAUSE, pause), (SyncEffect.PAUSE, nothing),
    (SyncEffect.TAG, tag), (SyncEffect.TAG, nothing),
]  # fmt: skip


@pytest.mark.parametrize(("effect", "change"), MEANWHILE, ids=lambda value: getattr(value, "__name__", value))
def test_what_somebody_did_meanwhile_is_kept(world: World, effect: SyncEffect, change: Callable[[World], None]):
    change(world)
    before = world.rows("SELECT * FROM gmail_warmup.mailbox"), world.rows("SELECT * FROM gmail_warmup.change_log")
    entry = SyncEntry(address=ADA, effect=effect, reason="the user is suspended", settings=SETTINGS)
    (done,) = apply_sync(world.store.engine, [entry], actor="op", tag="sales")
    assert (done.effect, done.error) == (SyncEffect.UNCHANGED, "")
    assert "meanwhile" in done.reason
    after = world.rows("SELECT * FROM gmail_warmup.mailbox"), world.rows("SELECT * FROM gmail_warmup.change_log")
    assert after == before


def make_entries(number: int) -> list[SyncEntry]:
    return [
        SyncEntry(address=f"u{at:04}@work.example", effect=SyncEffect.ADD, settings=SETTINGS) for at in range(number)
    ]


def refuse(world: World, address: str, error: str) -> None:
    world.sql(
        "CREATE FUNCTION gmail_warmup.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE {error}; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON gmail_warmup.mailbox FOR EACH ROW"
        f" WHEN (NEW.address = '{address}') EXECUTE FUNCTION gmail_warmup.refuse()"
    )


@pytest.fixture
def accepting(world: World) -> Iterator[World]:
    """The world; afterwards the database accepts every mailbox again."""
    yield world
    world.sql("DROP TRIGGER refuse ON gmail_warmup.mailbox; DROP FUNCTION gmail_warmup.refuse")


def test_a_bad_entry_stops_no_other_one_of_its_batch(accepting: World):
    entries = make_entries(BATCH_SIZE + 1)
    refuse(accepting, entries[7].address, "check_violation")
    done = list(apply_sync(accepting.store.engine, entries, actor="op", tag="sales"))
    assert [entry.address for entry in done if entry.error] == [entries[7].address]
    assert count_effects(done)["add"] == BATCH_SIZE
    counts = "SELECT count(*), count(DISTINCT mailbox_id) FROM gmail_warmup.mailbox_tag WHERE tag = 'sales'"
    assert accepting.rows(counts) == [(BATCH_SIZE, BATCH_SIZE)]


def test_a_database_that_fails_keeps_the_batches_before(accepting: World):
    entries = make_entries(BATCH_SIZE + 1)
    refuse(accepting, entries[-1].address, "admin_shutdown")
    done: list[SyncEntry] = []
    with pytest.raises(OperationalError):
        done.extend(apply_sync(accepting.store.engine, entries, actor="op"))
    assert describe_stop(done, len(entries)).startswith("Stopped after 200 of 201 mailboxes: 200 add.")
    assert accepting.rows("SELECT count(*) FROM gmail_warmup.mailbox") == [(BATCH_SIZE,)]


def test_a_second_spelling_of_a_mailbox_is_not_added(world: World):
    first, second = (f"{name}@{CONSUMER_DOMAINS[0]}" for name in ("a.user", "au.ser"))
    entries = [SyncEntry(address=name, effect=SyncEffect.ADD, settings=SETTINGS) for name in (first, second)]
    done = list(apply_sync(world.store.engine, entries, actor="op"))
    assert [entry.effect for entry in done] == [SyncEffect.ADD, SyncEffect.UNCHANGED]
    assert world.rows("SELECT address FROM gmail_warmup.mailbox") == [(first,)]
