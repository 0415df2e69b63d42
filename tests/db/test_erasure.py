"""What a removal replaces in the rows that stay, and what it leaves alone."""

from __future__ import annotations

import pytest

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.db.erasure import NAMES_OF_PERSONS, REMOVED_TEXT
from gmail_warmup.db.models import Base
from gmail_warmup.mailboxes.renaming import rename_mailbox
from support.leftovers import find_columns_with
from support.mail_kit import ADA, POOL
from support.removal_kit import make_busy, remove
from support.world import World

BYRON, KING, OTHER = "ada.byron@warm.example", "ada.king@other.example", "eve@warm.example"
CONSUMER = f"ada.love@{CONSUMER_DOMAINS[0]}", f"adalove@{CONSUMER_DOMAINS[1]}"
REASONS = "SELECT reason FROM gmail_warmup.halt ORDER BY id"


def rename(world: World, old: str, new: str) -> None:
    with world.store.engine.begin() as connection:
        rename_mailbox(connection, old, new, actor="op")


def note(world: World, *texts: str) -> None:
    for text in texts:
        world.sql("INSERT INTO gmail_warmup.halt (started_by, reason, ended_at) VALUES ('op', :text, now())", text=text)


@pytest.mark.parametrize("names", [(BYRON,), (BYRON, KING), (BYRON, KING, ADA), CONSUMER], ids=str)
def test_former_addresses_are_replaced_like_the_present_one(world: World, names: tuple[str, ...]):
    make_busy(world)
    addresses = list(dict.fromkeys((ADA, *names)))
    for old, new in zip((ADA, *names), names, strict=False):
        rename(world, old, new)
    note(world, *addresses, *(f"xx{address}" for address in addresses))
    world.sql(
        "INSERT INTO gmail_warmup.consent (state_hash, purpose, address, mailbox_settings, code_verifier, airflow_user,"
        " browser_hash, expires_at) VALUES ('h2', 'add', :former, '{}', 'x', 'op', 'b', now())",
        former=addresses[0],
    )
    assert len(find_columns_with(world.store.engine, *addresses)) > len(addresses)
    assert remove(world, names[-1]).is_done
    left = set(find_columns_with(world.store.engine, *addresses))
    parts = {f"{column}: {address}" for column in ("halt.reason", "alert.body") for address in addresses}
    assert left <= parts  # as parts of other addresses
    assert [reason for (reason,) in world.rows(REASONS)][1:] == [
        *[REMOVED_TEXT] * len(addresses), *(f"xx{address}" for address in addresses),
    ]  # fmt: skip


def test_a_former_address_that_is_another_mailbox_now_stays(world: World):
    world.add(ADA)
    rename(world, ADA, BYRON)
    world.add(ADA)
    note(world, ADA, BYRON)
    world.sql(
        "INSERT INTO gmail_warmup.consent (state_hash, purpose, address, mailbox_settings, code_verifier, airflow_user,"
        " browser_hash, expires_at) VALUES ('h2', 'add', :other, '{}', 'x', 'op', 'b', now())",
        other=ADA,
    )
    remove(world, BYRON)
    assert world.rows(REASONS) == [(ADA,), (REMOVED_TEXT,)]
    assert world.rows("SELECT address FROM gmail_warmup.consent") == [(ADA,)]


def test_no_text_becomes_too_long_for_its_column(world: World):
    assert len(REMOVED_TEXT) <= len("x" + "@x.xx"), "as short as an address can be"
    shortest = "a@b.test"
    world.add(shortest)
    world.add(OTHER)
    signature = " ".join([shortest] * 55) + "....."
    assert len(signature) == 499
    world.sql("UPDATE gmail_warmup.mailbox SET signature = :signature WHERE id = 2", signature=signature)
    assert remove(world, shortest).is_done
    assert world.mailbox(OTHER).signature == " ".join([REMOVED_TEXT] * 55) + "....."


def test_tags_and_names_of_users_are_no_data_of_the_mailbox(world: World):
    world.add(ADA)
    world.add(POOL[0])
    world.sql("INSERT INTO gmail_warmup.mailbox_tag (mailbox_id, tag) VALUES (2, :tag)", tag=ADA)
    world.sql("INSERT INTO gmail_warmup.tag_schedule (tag, changed_by, ramp_cap) VALUES (:tag, :tag, 5)", tag=ADA)
    remove(world)
    assert world.rows("SELECT tag, changed_by FROM gmail_warmup.tag_schedule") == [(ADA, ADA)]
    assert world.rows("SELECT tag FROM gmail_warmup.mailbox_tag") == [(ADA,)]


def test_every_column_with_the_name_of_a_user_was_decided_on():
    names = {column.name for table in Base.metadata.sorted_tables for column in table.columns}
    by_somebody = {name for name in names if name.endswith("_by")}
    assert by_somebody - set(NAMES_OF_PERSONS) == {"refused_by"}  # a party at Google
    assert set(NAMES_OF_PERSONS) <= names


def test_a_row_with_the_address_in_several_columns_is_one_redacted_row(world: World):
    world.add(ADA)
    world.sql(
        "INSERT INTO gmail_warmup.alert (kind, title, body, sent_at) VALUES ('changes', :ada, :ada, now())", ada=ADA
    )
    assert remove(world).receipt["redacted"] == {"alert": 1}
    assert world.rows("SELECT title, body FROM gmail_warmup.alert") == [(REMOVED_TEXT, REMOVED_TEXT)]
