"""A backup holds everything that the operator configured: each column of each table is backed up, or has a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import Base, Mailbox, TagSchedule
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES
from gmail_warmup.transfer import exporter, importer
from gmail_warmup.transfer.backup_settings import BackupSettings, parse_settings
from support.world import CLIENT_ID, World

ADA = "ada@warm.example"
NOT_CONFIGURED = "the engine computes or records it"
HISTORY = "history; a dump of the database has it"

BACKED_UP: dict[str, dict[str, str | None]] = {
    "mailbox": dict.fromkeys(
        (
            "address", "kind", "auth", "display_name", "signature", "owner_email", "daily_target", "timezone",
            "paused_at", "pause_reason", "paused_until", *SCHEDULE_NAMES,
        )
    ) | dict.fromkeys(
        (
            "id", "domain", "identity", "duplicate_number", "label_id", "label_name", "history_id", "notices_due_at",
            "read_notice_ids", "resumed_at", "deferred_until", "deferred_reason", "gmail_retry_at", "warmup_days",
            "mails_placed", "mails_opened", "mails_answered", "next_send_at", "last_received_claim_at", "band",
            "band_reason", "band_since", "health_window_start", "half_volume_on", "sent_24h", "sent_24h_at",
            "lease_holder", "lease_until",
        ),
        NOT_CONFIGURED,
    ) | dict.fromkeys(("created_at", "created_by", "paused_by"), HISTORY),
    "mailbox_tag": {"tag": None, "mailbox_id": NOT_CONFIGURED},
    "tag_schedule": dict.fromkeys(("tag", *SCHEDULE_NAMES)) | dict.fromkeys(("changed_at", "changed_by"), HISTORY),
    "oauth_client": dict.fromkeys(("conn_id", "client_id", "user_limit", "tags", "retired_at")) | {"added_at": HISTORY},
    "oauth_grant": dict.fromkeys(("client_id", "refresh_token", "refresh_expires_at", "scopes", "granted_at"))
    | dict.fromkeys(
        (
            "mailbox_id", "access_token", "access_expires_at", "state", "reason", "refused_by", "state_since",
            "next_probe_at", "refreshed_at", "expiring_at", "version", "incident_id", "lease_holder", "lease_until",
        ),
        NOT_CONFIGURED,
    ),
}  # fmt: skip
"""The tables of a backup, and their columns: None for those that come back, else why they do not."""

LEFT_OUT = {
    **dict.fromkeys(
        (
            "asset_flag", "breaker", "dag_heartbeat", "domain_authentication", "domain_check", "domain_volume",
            "incident", "mailbox_authentication", "mailbox_failure", "mailbox_readiness", "owner_mail", "plan_basis",
        ),
        NOT_CONFIGURED,
    ),
    **dict.fromkeys(
        (
            "alert", "alert_item", "audit", "change_log", "domain_day", "grant_day", "grant_event", "health_event",
            "ledger", "ledger_history", "mailbox_day", "mailbox_removal", "webhook_delivery", "webhook_event",
        ),
        HISTORY,
    ),
    "canary": "belongs to the Fernet key of the installation",
    "consent": "is over in minutes",
    "halt": "an operator starts a restored installation",
    "invite": "a link leads to one installation; only its hash is stored",
    "oauth_client_user": "a trigger counts the users of restored grants; those of removed mailboxes are history",
    "repair": "the queue of a person, made again with one click",
    "report_link": "a link leads to one installation; only its hash is stored",
    "webhook_receiver": "a copy of what the Airflow Connection says",
}  # fmt: skip


def test_every_table_is_backed_up_or_left_out_with_a_reason():
    tables = {table.name: {column.name for column in table.columns} for table in Base.metadata.sorted_tables}
    assert not BACKED_UP.keys() & LEFT_OUT.keys()
    assert BACKED_UP.keys() | LEFT_OUT.keys() == tables.keys()
    assert {name: set(columns) for name, columns in BACKED_UP.items()} == {name: tables[name] for name in BACKED_UP}


SCHEDULE: dict[str, Any] = {
    "sending_window": "08:00-20:00", "sending_days": "mon,tue", "holidays": "DE", "days_off": "2030-12-24",
    "ramp": "linear", "ramp_start": 3, "ramp_step": 4, "ramp_cap": 33, "maintenance_percent": 44, "open_rate": 55,
    "reply_rate": 22, "rescue_rate": 66, "important_rate": 7, "star_rate": 8, "language": "de",
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "kind": "warmup", "display_name": "Ada", "signature": "A.", "owner_email": "olivia@example.com", "daily_target": 77,
    "timezone": "Europe/Berlin", "tags": ("north", "sales"),
}  # fmt: skip


def configure(world: World) -> None:
    """Set everything that can be set to a value that is not the default."""
    assert SCHEDULE.keys() == set(SCHEDULE_NAMES)
    world.add(ADA, **SETTINGS, **SCHEDULE)
    world.sql("UPDATE gmail_warmup.mailbox SET paused_at = now(), pause_reason = 'rest', paused_until = '2030-01-02'")
    names, values = ", ".join(SCHEDULE), ", ".join(f":{name}" for name in SCHEDULE)
    world.sql(
        f"INSERT INTO gmail_warmup.tag_schedule (tag, changed_by, {names}) VALUES ('sales', 'op', {values})", **SCHEDULE
    )
    world.sql(
        "INSERT INTO gmail_warmup.oauth_client (conn_id, client_id, user_limit, tags, retired_at) VALUES"
        " ('second', :client, 100, '{north,sales}', NULL), ('old', 'old-client', NULL, '{}', now())",
        client=CLIENT_ID,
    )


def read_backed_up(world: World) -> dict[str, list[Any]]:
    """Return the columns of BACKED_UP; of a secret and of a time, whether there is one."""
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    found = {}
    with world.store.engine.connect() as connection:
        for name, columns in BACKED_UP.items():
            kept = [column for column, reason in columns.items() if reason is None]
            shown = [
                tables[name].c[column].is_not(None)
                if column in ("refresh_token", "paused_at", "retired_at") else tables[name].c[column]
                for column in kept
            ]  # fmt: skip
            found[name] = sorted(map(str, connection.execute(sa.select(*shown)).all()))
    return found


def restore(world: World, text: str, **options: Any) -> importer.ImportResult:
    exported_at, mailboxes = exporter.parse_backup(text)
    return importer.import_mailboxes(
        world.store, mailboxes, actor=world.actor, exported_at=exported_at, settings=parse_settings(text), **options
    )


@pytest.fixture
def backup(world: World) -> str:
    configure(world)
    return exporter.create_backup(world.store, actor="op").to_json()


def forget(world: World) -> None:
    for table in ("mailbox", "tag_schedule", "oauth_client", "oauth_client_user"):
        world.sql(f"DELETE FROM gmail_warmup.{table}")


def test_everything_that_the_operator_configured_comes_back(world: World, backup: str):
    before = read_backed_up(world)
    defaults = (Mailbox.__table__, TagSchedule.__table__)
    assert all("None" not in row for table in defaults for row in before[table.name])
    forget(world)
    done = restore(world, backup)
    assert (done.added, done.grants, done.tag_schedules, done.clients) == (1, 1, 1, 2)
    assert read_backed_up(world) == before
    again = restore(world, backup)
    assert (again.added, again.changed, again.tag_schedules, again.clients) == (0, 0, 0, 0)


def test_a_dry_run_says_the_same_and_writes_nothing(world: World, backup: str):
    forget(world)
    before = read_backed_up(world)
    said = restore(world, backup, dry_run=True)
    assert (said.tag_schedules, said.clients) == (1, 2)
    assert read_backed_up(world) == before


def test_what_exists_gets_the_values_of_the_backup_and_what_it_lacks_stays(world: World, backup: str):
    world.sql("UPDATE gmail_warmup.tag_schedule SET open_rate = 1, ramp = NULL")
    world.sql("UPDATE gmail_warmup.oauth_client SET user_limit = 5, tags = '{}', retired_at = NULL")
    world.sql("INSERT INTO gmail_warmup.tag_schedule (tag, changed_by, open_rate) VALUES ('own', 'op', 9)")
    world.sql("INSERT INTO gmail_warmup.oauth_client (conn_id, client_id) VALUES ('third', 'third-client')")
    done = restore(world, backup)
    assert (done.tag_schedules, done.clients) == (1, 2)
    assert world.rows("SELECT tag, open_rate, ramp FROM gmail_warmup.tag_schedule ORDER BY 1") == [
        ("own", 9, None), ("sales", 55, "linear"),
    ]  # fmt: skip
    query = "SELECT conn_id, user_limit, tags, retired_at IS NULL FROM gmail_warmup.oauth_client ORDER BY 1"
    assert world.rows(query) == [
        ("old", None, [], False), ("second", 100, ["north", "sales"], True), ("third", None, [], True),
    ]  # fmt: skip


def test_a_client_is_known_by_its_client_id_under_another_connection(world: World, backup: str):
    world.sql("UPDATE gmail_warmup.oauth_client SET conn_id = 'renamed', tags = '{}' WHERE conn_id = 'second'")
    restore(world, backup)
    rows = world.rows("SELECT conn_id, client_id, tags FROM gmail_warmup.oauth_client ORDER BY 1")
    assert rows == [("old", "old-client", []), ("renamed", CLIENT_ID, ["north", "sales"])]


def test_a_connection_that_has_another_client_here_keeps_it(world: World, backup: str):
    world.sql("UPDATE gmail_warmup.oauth_client SET client_id = 'new-client' WHERE conn_id = 'second'")
    restore(world, backup)
    assert ("second", "new-client") in world.rows("SELECT conn_id, client_id FROM gmail_warmup.oauth_client")


def test_the_default_client_is_not_retired(world: World, backup: str):
    forget(world)
    restore(world, backup, default_client="old")
    assert world.rows("SELECT retired_at FROM gmail_warmup.oauth_client WHERE conn_id = 'old'") == [(None,)]


def test_a_tag_of_another_client_refuses_the_whole_backup(world: World, backup: str):
    forget(world)
    world.sql(
        "INSERT INTO gmail_warmup.oauth_client (conn_id, client_id, tags) VALUES ('own', 'own-client', '{sales}')"
    )
    before = read_backed_up(world)
    with pytest.raises(InvalidInputError, match="The tag 'sales' is assigned to the OAuth client 'own'"):
        restore(world, backup)
    assert read_backed_up(world) == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tag_schedules": {"sales": {"open_rate": 101}}}, "tag_schedules.sales.open_rate: "),
        ({"tag_schedules": {"sales": {"open_rates": 1}}}, "tag_schedules.sales.open_rates: is not known"),
        ({"tag_schedules": {"a,b": {"open_rate": 1}}}, "contains a comma"),
        ({"tag_schedules": []}, "tag_schedules: "),
        ({"oauth_clients": [{"conn_id": "x"}]}, "oauth_clients.0.client_id: is required"),
        ({"oauth_clients": [{"conn_id": "x", "client_id": "y", "user_limit": True}]}, "oauth_clients.0.user_limit: "),
        ({"oauth_clients": [{"conn_id": "x", "client_id": "y", "tags": ["a,b"]}]}, "contains a comma"),
    ],
)
def test_a_setting_that_breaks_a_rule_is_named(settings: dict[str, Any], said: str):
    with pytest.raises(
        InvalidInputError, match=r"^The backup contains an invalid setting; nothing was imported\."
    ) as caught:
        parse_settings(json.dumps(settings))
    assert said in str(caught.value)


def test_a_backup_of_a_former_release_has_no_settings():
    assert parse_settings('{"exported_at": "2026-11-01T00:00:00+00:00", "mailboxes": []}') == BackupSettings()


def test_a_stored_value_that_breaks_a_rule_is_left_out_and_named(world: World):
    configure(world)
    world.sql("UPDATE gmail_warmup.tag_schedule SET sending_window = 'always'")
    world.sql("UPDATE gmail_warmup.oauth_client SET tags = '{\"a,b\"}' WHERE conn_id = 'old'")
    made = exporter.create_backup(world.store, actor="op")
    assert made.left_out.keys() == {"The schedule of the tag 'sales'", "The OAuth client 'old'"}
    assert [client.conn_id for client in parse_settings(made.to_json()).oauth_clients] == ["second"]
