"""A row that breaks a rule, however it got there, stops nobody else and is shown as what it is."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.audit.results import AuditOutcome
from gmail_warmup.core.enums import Action
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.db import clock
from gmail_warmup.db.engine import make_engine, read_transaction
from gmail_warmup.db.models import Base
from gmail_warmup.doctor.stored_rows import list_invalid_rows
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges, change_settings
from gmail_warmup.mailboxes.records import WrongSettingsError, validate_mailbox_settings
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.grant_updates import GrantUpdate, RefreshedTokens
from gmail_warmup.oauth.token_endpoint import SCOPE
from gmail_warmup.warmup.planning.eligibility import find_work_blocker, load_blockers
from gmail_warmup.web.views.mailbox import build_views
from support.isolation import make_unchecked_database
from support.mail_kit import ADA, POOL, act
from support.poison import INTERNAL, SETTABLE, poisons, settable_columns
from support.poisoned_world import PoisonedWorld
from support.world import CLIENT_ID, World


@pytest.fixture(scope="module")
def schema(postgres: str) -> sa.Engine:
    """Return a database whose tables accept every value that their types accept."""
    return make_unchecked_database(postgres, "isolation")


@pytest.fixture
def store(database: sa.Engine, cipher: Cipher) -> GrantStore:
    return GrantStore(make_engine(database.url), cipher)


def test_every_column_is_classified():
    found = {table.name: sorted(table.columns.keys()) for table in Base.metadata.sorted_tables}
    classified = {table: sorted(f"{SETTABLE[table]} {INTERNAL[table]}".split()) for table in SETTABLE}
    assert classified == found, "say in tests/support/poison.py whether the column can be set from outside"


@pytest.mark.parametrize("table", [table for table, columns in SETTABLE.items() if columns])
def test_bad_values_in_every_column_of_a_table_stop_nobody_else(world: World, table: str):
    poisoned = PoisonedWorld(world)
    poisoned.prepare()
    columns = [column for name, column in settable_columns() if name == table]
    poisoned.store(poison for column in columns for poison in poisons(table, column))
    assert poisoned.find_stopped() == []


def accepts(column: str, value: Any) -> bool:
    """Return whether the value is stored as it is where a person enters it; a blank one of a schedule is not set."""
    if column in SCHEDULE_NAMES and isinstance(value, str) and not value.strip():
        return True
    try:
        settings = validate_mailbox_settings({"kind": "pool", column: value}, address=ADA)
    except WrongSettingsError:
        return False
    return (getattr(settings, column) or None) == (value or None)


def test_a_bad_value_of_a_mailbox_is_shown_on_its_page_and_by_the_doctor(world: World):
    poisoned = PoisonedWorld(world)
    settings = ("display_name", "signature", "language", "owner_email", "daily_target", "open_rate", "reply_rate")
    rest = ("kind", "auth", "timezone", "address")
    times = ("refresh_expires_at", "access_expires_at", "granted_at", "next_probe_at", "state")
    poisoned.store(poison for column in (*settings, *rest) for poison in poisons("mailbox", column))
    poisoned.store(poison for column in times for poison in poisons("oauth_grant", column))
    with read_transaction(world.store.engine) as connection:
        listed = [str(row) for row in list_invalid_rows(connection)]
        for mailbox_id, poison in poisoned.victims.items():
            record = repository.get_mailbox_by_id(connection, mailbox_id)
            if poison.column in settings and accepts(poison.column, getattr(record, poison.column)):
                assert not record.invalid
                continue
            if poison.column == "signature" and not record.invalid:
                continue  # other line breaks than \\n are normal where it is used
            (view,) = build_views(connection, [record], now=clock.get_current_time(connection), settings=world.settings)
            assert any(text.startswith(f"{poison.column}: ") for text in view.invalid), (poison, view.invalid)
            named = f"{poison.table} {mailbox_id} ({record.address}), column {poison.column}:"
            assert any(text.startswith(named) for text in listed), (named, listed)
            blocker = find_work_blocker(record, load_blockers(connection))
            assert blocker
            assert blocker.code == "invalid_row"


def test_the_doctor_names_bad_rows_of_other_tables(world: World):
    poisoned = PoisonedWorld(world)
    tried = (
        ("incident", "detail"),
        ("invite", "expires_at"),
        ("domain_check", "record"),
        ("consent", "mailbox_settings"),
    )
    poisoned.store(poison for table, column in tried for poison in poisons(table, column))
    with read_transaction(world.store.engine) as connection:
        listed = [str(row) for row in list_invalid_rows(connection)]
    for table, column in tried:
        assert any(text.startswith(f"{table} ") and f"column {column}: " in text for text in listed), (table, listed)


def test_a_bad_setting_is_repaired_like_any_other(world: World):
    world.add(ADA, kind="warmup")
    world.sql("UPDATE gmail_warmup.mailbox SET timezone = 'localtime'")
    assert world.mailbox(ADA).invalid
    with world.store.engine.begin() as connection:
        assert change_settings(connection, [ADA], MailboxChanges(timezone="Europe/Berlin"), actor="op") == 1
    assert not world.mailbox(ADA).invalid


def test_a_pool_mailbox_whose_name_fits_no_header_costs_at_most_the_mails_to_it(world: World):
    poisoned = PoisonedWorld(world)
    poisoned.prepare()
    world.sql(
        r"UPDATE gmail_warmup.mailbox SET display_name = E'Pia\u2028Pool' WHERE address = :address", address=POOL[0]
    )
    done = act(world, Action.SEND)
    assert done.get("sent", 0) + done.get("refused", 0) == 2
    world.sql("UPDATE gmail_warmup.mailbox SET display_name = NULL")
    assert world.rows("SELECT count(*) FROM gmail_warmup.ledger WHERE status IN ('claimed', 'drafted')") == [(0,)]


def test_an_answer_with_a_value_that_cannot_be_stored_costs_only_itself(world: World):
    addresses = [f"box{number}@pool.example" for number in range(4)]
    ids = [world.add(address) for address in addresses]
    world.reauthenticate(addresses[1], access_expired=True)
    bad = world.sandbox.grant(addresses[1], CLIENT_ID, scopes=[SCOPE, "x\x00y"], access_expired=True)
    with world.store.engine.begin() as connection:
        world.store.import_grant(
            connection, ids[1], refresh_token=bad.refresh_token, client_id=CLIENT_ID, actor=world.actor
        )
    result = Audit(world.store, world.client, world.settings, actor=world.actor, force=True).run(ids)
    assert result.count(AuditOutcome.REFRESHED) >= 3
    fresh = world.rows("SELECT mailbox_id FROM gmail_warmup.oauth_grant WHERE access_expires_at > now() ORDER BY 1")
    assert {row[0] for row in fresh} >= {ids[0], ids[2], ids[3]}


def test_of_a_batch_only_the_value_that_the_database_refuses_is_left_out(world: World):
    grants = [world.grant(f"box{number}@pool.example") for number in range(3) if world.add(f"box{number}@pool.example")]
    updates = [
        GrantUpdate(
            grant=grant,
            state=grant.state,
            tokens=RefreshedTokens(access_token="x", access_seconds=seconds, scopes=scopes, client_id=CLIENT_ID),
        )
        for grant, seconds, scopes in zip(grants, (60, 1e300, 60), ((), (), ("a\x00",)), strict=True)
    ]
    written, rejected = world.store.apply_each(updates, actor=world.actor)
    assert written == {grants[0].mailbox_id}
    assert rejected == updates[1:]
