"""The change log: what it stores, what it refuses to store, and how long."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gmail_warmup.core.enums import ChangeAction, ChangeSource, MailboxKind
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Consent, Invite, Mailbox, OAuthGrant
from gmail_warmup.mailboxes import bulk, bulk_edit, repository
from gmail_warmup.mailboxes.change_log import (
    RECORDED_NAMES,
    change_source,
    record_change,
    record_mailbox_changes,
)
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.warmup.ledger.maintenance import run_maintenance
from support.world import World

ADA, BOB = "ada@warm.example", "bob@warm.example"
SECRET_WORDS = ("token", "secret", "code", "cipher", "hash", "password", "link", "url", "state_hash", "verifier", "key")


def changes(world: World, action: str = "%") -> list[tuple[object, ...]]:
    return world.rows(
        "SELECT action, subject, actor, before, after FROM gmail_warmup.change_log WHERE action LIKE :a ORDER BY id",
        a=action,
    )


@pytest.mark.parametrize("name", ["refresh_token", "access_token", "code", "client_secret", "url", "passphrase"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_value_with_an_unknown_name_is_refused_and_nothing_is_changed(world: World, name: str, place: str):
    with pytest.raises(ValueError, match=f"^{name}: "), world.store.engine.begin() as connection:
        record_change(connection, ChangeAction.MAILBOX_CHANGE, actor="eva", **{place: {name: "x", "kind": "pool"}})
    assert changes(world) == []


def test_no_recorded_name_is_that_of_a_secret():
    secret_columns = {
        column.name for model in (OAuthGrant, Consent, Invite, Mailbox) for column in model.__table__.columns
        if any(word in column.name for word in SECRET_WORDS)
    }  # fmt: skip
    assert {"refresh_token", "token_hash", "code_verifier"} <= secret_columns
    assert not secret_columns & RECORDED_NAMES
    assert not [name for name in RECORDED_NAMES - {"keys"} if any(word in name for word in SECRET_WORDS)]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"kind": MailboxKind.POOL}, {"kind": "pool"}),
        ({"expires_at": datetime(2026, 11, 30, 8, tzinfo=UTC)}, {"expires_at": "2026-11-30T08:00:00+00:00"}),
        ({"daily_target": 7, "language": None}, {"daily_target": 7, "language": None}),
        ({"reason": "a\x00b"}, {"reason": "a\ufffdb"}),
        ({}, None),
        (None, None),
    ],
)
def test_values_are_stored_as_json(world: World, given: dict[str, object] | None, stored: dict[str, object] | None):
    with world.store.engine.begin() as connection:
        record_change(connection, ChangeAction.MAILBOX_CHANGE, actor="eva", before=given)
    assert changes(world) == [("mailbox_change", "", "eva", stored, None)]


@pytest.mark.parametrize("source", [*ChangeSource, None])
def test_the_interface_is_stored(world: World, source: ChangeSource | None):
    before = change_source.set(source)
    try:
        with world.store.engine.begin() as connection:
            record_change(connection, ChangeAction.HALT_END, actor="eva")
    finally:
        change_source.reset(before)
    assert world.rows("SELECT source FROM gmail_warmup.change_log") == [(source,)]


def test_only_what_differs_is_recorded_and_only_for_mailboxes_that_changed(world: World):
    for address, target in ((ADA, 20), (BOB, 30)):
        world.add(address, kind="warmup", daily_target=target, open_rate=80)
    world.sql("DELETE FROM gmail_warmup.change_log")
    chosen = bulk_edit.MailboxChanges(daily_target=30, open_rate=80)
    with world.store.engine.begin() as connection:
        assert bulk_edit.change_settings(connection, [ADA, BOB], chosen, actor="eva") == 1
    assert changes(world) == [("mailbox_change", ADA, "eva", {"daily_target": 20}, {"daily_target": 30})]


def test_a_change_that_fails_is_not_recorded(world: World):
    mailbox_id = world.add(ADA)
    world.sql("DELETE FROM gmail_warmup.change_log")
    with pytest.raises(RuntimeError), world.store.engine.begin() as connection, record_mailbox_changes(
        connection, Mailbox.id == mailbox_id, ["open_rate"], action=ChangeAction.MAILBOX_CHANGE, actor="eva"
    ):  # fmt: skip
        raise RuntimeError
    assert changes(world) == []


def test_many_mailboxes_are_recorded_with_one_entry_each(world: World):
    inputs = [
        bulk.MailboxInput(address=f"box{n}@many.example", settings=MailboxSettings(kind=MailboxKind.POOL))
        for n in range(1500)
    ]
    with world.store.engine.begin() as connection:
        bulk.add_mailboxes(connection, inputs, actor="eva")
        repository.pause_mailboxes(connection, [item.address for item in inputs], actor="eva", reason="holiday")
    assert {name: len(changes(world, name)) for name in ("mailbox_add", "mailbox_pause")} == {
        "mailbox_add": 1500,
        "mailbox_pause": 1500,
    }
    before, after = changes(world, "mailbox_pause")[0][3:]
    assert before == {"paused_at": None, "pause_reason": None}
    assert isinstance(after, dict)
    assert after["pause_reason"] == "holiday"


def test_the_entries_of_a_deleted_mailbox_lose_its_personal_data(world: World):
    for address in (ADA, BOB):
        world.add(address, kind="warmup", display_name="Some One")
    world.sql("DELETE FROM gmail_warmup.mailbox WHERE address = :address", address=ADA)
    assert [row[:3] for row in changes(world)] == [("mailbox_add", "", "test"), ("mailbox_add", BOB, "test")]
    assert changes(world)[0][3:] == (None, None)
    everything = str(world.rows("SELECT c::text FROM gmail_warmup.change_log c WHERE subject = ''"))
    assert "ada" not in everything
    assert "Some One" not in everything


@pytest.mark.parametrize(("days", "kept"), [(0, 4), (1, 1), (30, 1), (100, 3), (730, 4)])
def test_old_entries_are_deleted_after_the_days_of_the_option(world: World, days: int, kept: int):
    for age in (1, 31, 99, 700):
        world.sql(
            "INSERT INTO gmail_warmup.change_log (at, actor, action, subject_kind, subject)"
            " VALUES (now() - make_interval(days => :age), 'eva', 'halt_end', 'fleet', '')",
            age=age,
        )
    done = run_maintenance(world.store.engine, Settings(change_log_days=days, history_months=0))
    assert (len(changes(world)), done.removed, done.finished) == (kept, 4 - kept, True)
