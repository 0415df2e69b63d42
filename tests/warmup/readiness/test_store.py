"""Readiness in the database: what tasks, page and API read, and what a run stores."""

from __future__ import annotations

import pytest

from gmail_warmup.core.enums import ReadinessState as State
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.readiness.store import (
    Readiness,
    load_domain_readiness,
    load_readiness,
    load_stored_days,
    update_readiness,
)
from support.days import move_days
from support.mail_kit import ADA, use
from support.world import World

EVA = "eva@warm.example"
DAYS_UNTIL_READY = 30


def warm_up(world: World, address: str, *, spam: int = 0, placed: int = 5) -> None:
    """Store a complete ramp, and the placements of seven days."""
    world.sql("UPDATE gmail_warmup.mailbox SET warmup_days = :days WHERE address = :address",
              days=DAYS_UNTIL_READY, address=address)  # fmt: skip
    world.sql("DELETE FROM gmail_warmup.mailbox_day USING gmail_warmup.mailbox m"
              " WHERE m.id = mailbox_id AND m.address = :address", address=address)  # fmt: skip
    world.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, sent, inbox, spam)"
        " SELECT m.id, current_date - day, 40, 40, :placed - :spam, :spam FROM gmail_warmup.mailbox m,"
        " generate_series(0, 6) day WHERE m.address = :address",
        address=address, spam=spam, placed=placed,
    )  # fmt: skip


def read(world: World, *addresses: str) -> dict[str, Readiness]:
    with read_transaction(world.store.engine) as connection:
        ids = [world.mailbox(address).id for address in addresses]
        return {item.address: item for item in load_readiness(connection, ids, world.settings)}


def state(world: World, address: str = ADA) -> tuple[State, str]:
    found = read(world, address)[address]
    return found.day.state, found.reason.code


def pass_a_day(world: World) -> None:
    move_days(world, "mailbox_readiness")


@pytest.fixture
def ready(warm: World) -> World:
    """Return a world in which Ada's ramp is complete and her mail arrives."""
    warm_up(warm, ADA)
    return warm


def test_a_new_mailbox_is_warming_and_pool_mailboxes_have_no_readiness(warm: World):
    assert state(warm) == (State.WARMING, "ramp_running")
    assert read(warm, "pia@pool.example") == {}


def test_the_number_grows_from_day_to_day(ready: World):
    numbers = []
    for _ in range(4):
        update_readiness(ready.store.engine, ready.settings)
        numbers.append(read(ready, ADA)[ADA].day.cold_mails)
        pass_a_day(ready)
    assert numbers == [2, 4, 6, 8]


def test_a_second_run_changes_nothing(ready: World):
    assert update_readiness(ready.store.engine, ready.settings) == 1
    since = read(ready, ADA)[ADA].day.since
    assert update_readiness(ready.store.engine, ready.settings) == 0
    assert read(ready, ADA)[ADA].day.since == since


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("paused_at = now(), pause_reason = 'holiday'", (State.NOT_READY, "paused_by_person")),
        ("band = 'throttled', band_reason = 'spam_much'", (State.RESTING, "spam_much")),
        ("band = 'watch', band_reason = 'spam_some'", (State.READY, "watched")),
        ("band = 'blocked', band_reason = 'spam_mostly'", (State.NOT_READY, "spam_mostly")),
        ("deferred_until = now() + interval '1 hour', deferred_reason = 'own_limit'", (State.RESTING, "own_limit")),
        ("gmail_retry_at = now() + interval '1 hour'", (State.RESTING, "gmail_retry_later")),
        ("warmup_days = 3", (State.WARMING, "ramp_running")),
    ],
)
def test_a_change_is_seen_before_the_next_run(ready: World, change: str, expected: tuple[State, str]):
    update_readiness(ready.store.engine, ready.settings)
    ready.sql(f"UPDATE gmail_warmup.mailbox SET {change} WHERE address = :address", address=ADA)
    assert state(ready) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gmail_warmup.mailbox SET sending_window = 'x'",
        "UPDATE gmail_warmup.mailbox SET timezone = 'Mars/Olympus'",
        "UPDATE gmail_warmup.mailbox SET daily_target = 0",
        "INSERT INTO gmail_warmup.tag_schedule (tag, holidays, changed_by) VALUES ('sales', 'QQ', 'x')",
    ],
)
def test_a_mailbox_with_a_stored_value_that_breaks_a_rule_is_not_ready(ready: World, statement: str):
    ready.sql("INSERT INTO gmail_warmup.mailbox_tag SELECT id, 'sales' FROM gmail_warmup.mailbox")
    update_readiness(ready.store.engine, ready.settings)
    ready.sql("ALTER TABLE gmail_warmup.mailbox DROP CONSTRAINT IF EXISTS ck_mailbox_daily_target")
    ready.sql(statement)
    assert state(ready) == (State.NOT_READY, "invalid_row")
    update_readiness(ready.store.engine, ready.settings)
    stored = "SELECT state, reason, cold_mails FROM gmail_warmup.mailbox_readiness"
    assert ready.rows(stored) == [("not_ready", "invalid_row", 0)]


def test_a_mailbox_that_moves_to_the_pool_is_counted_nowhere_and_begins_again(ready: World):
    for _ in range(3):
        update_readiness(ready.store.engine, ready.settings)
        pass_a_day(ready)
    set_kind = "UPDATE gmail_warmup.mailbox SET kind = :kind WHERE address = :address"
    ready.sql(set_kind, kind="pool", address=ADA)
    with read_transaction(ready.store.engine) as connection:
        assert load_domain_readiness(connection) == []
        assert load_stored_days(connection, [ready.mailbox(ADA).id]) == {}
    update_readiness(ready.store.engine, ready.settings)
    ready.sql(set_kind, kind="warmup", address=ADA)
    assert read(ready, ADA)[ADA].day.cold_mails == 2


def test_a_revoked_grant_is_not_ready(ready: World):
    ready.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'grant_refused'")
    found = read(ready, ADA)[ADA]
    assert (found.day.state, found.day.cold_mails, found.reason.code) == (State.NOT_READY, 0, "grant_refused")


def test_a_domain_whose_mail_google_does_not_authenticate_is_not_ready(ready: World):
    report = "INSERT INTO gmail_warmup.domain_authentication (domain, method, result, seen_at, failures) VALUES"
    ready.sql(f"{report} ('warm.example', 'dmarc', 'fail', now(), 3), ('other.example', 'dmarc', 'fail', now(), 9)")
    assert state(ready) == (State.NOT_READY, "unauthenticated")


def test_a_bad_neighbour_makes_the_whole_domain_unready(ready: World):
    ready.add(EVA, kind="warmup", expired=False)
    warm_up(ready, EVA, spam=2)
    assert state(ready) == (State.NOT_READY, "domain_spam")


def test_the_kill_switch_interrupts_and_keeps_the_level(ready: World):
    for _ in range(3):
        update_readiness(ready.store.engine, ready.settings)
        pass_a_day(ready)
    with write_transaction(ready.store.engine) as connection:
        kill_switch.begin_halt(connection, by="eva", reason="check")
    update_readiness(ready.store.engine, ready.settings)
    assert state(ready) == (State.RESTING, "stopped")
    with write_transaction(ready.store.engine) as connection:
        kill_switch.end_halt(connection, by="eva")
    assert read(ready, ADA)[ADA].day.cold_mails == 8


def test_the_settings_limit_the_number(ready: World):
    use(ready, cold_daily_cap=1)
    assert read(ready, ADA)[ADA].day.cold_mails == 1
