"""Maintenance: finished mail moves to the history, expired rows are deleted, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from gmail_warmup.db.roles import ensure_role
from gmail_warmup.warmup.ledger import history, maintenance
from gmail_warmup.warmup.ledger.maintenance import MaintenanceResult, retention_cutoff, run_maintenance
from support.mail_kit import ADA, POOL
from support.world import World

_SLOTS = count()


@pytest.fixture
def old(world: World) -> World:
    """Return a world with a warmup and a pool mailbox, without the months that other tests left behind."""
    world.add(ADA, kind="warmup")
    world.add(POOL[0], kind="pool")
    run(world, history_months=2)
    return world


def put(world: World, *, days: float, parent: int | None = None, **values: Any) -> int:
    """Insert a sent mail that was claimed some days ago; every other value is SQL."""
    slot = next(_SLOTS)
    sides = (ADA, POOL[0]) if parent is None else (POOL[0], ADA)
    at = f"now() - interval '{days} days'"
    chosen = {
        "token": f"'t{slot}'", "sender_id": f"(SELECT id FROM gmail_warmup.mailbox WHERE address = '{sides[0]}')",
        "recipient_id": f"(SELECT id FROM gmail_warmup.mailbox WHERE address = '{sides[1]}')",
        "local_date": f"({at})::date", "slot": str(slot) if parent is None else "NULL",
        "parent_id": "NULL" if parent is None else str(parent), "turn": "1" if parent is None else "2",
        "due_at": at, "claimed_at": at, "sent_at": at, "status": "'sent'", "subject": "'Notes'",
        "placement": "'inbox'", "recipient_gmail_id": "'r'", "collected_at": "now()",
    } | values  # fmt: skip
    world.sql(
        "INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date, planned, claimed)"
        f" VALUES ({chosen['sender_id']}, ({at})::date, 1, 0) ON CONFLICT (mailbox_id, local_date)"
        " DO UPDATE SET planned = mailbox_day.planned + 1"
    )
    world.sql(f"INSERT INTO gmail_warmup.ledger ({', '.join(chosen)}) VALUES ({', '.join(chosen.values())})")
    return int(world.rows("SELECT max(id) FROM gmail_warmup.ledger")[0][0])


def ids(world: World, table: str) -> list[int]:
    return [row[0] for row in world.rows(f"SELECT id FROM gmail_warmup.{table} ORDER BY id")]


def run(world: World, **changes: Any) -> MaintenanceResult:
    return run_maintenance(world.store.engine, world.settings.model_copy(update=changes))


def test_threads_that_are_done_with_move_whole_and_unchanged(old: World):
    first = put(old, days=60)
    answer = put(old, days=59, parent=first)
    young = put(old, days=44)
    before = old.rows("SELECT * FROM gmail_warmup.ledger WHERE id <> :young ORDER BY id", young=young)
    assert run(old) == MaintenanceResult(moved=2, months=0, removed=0, finished=True)
    assert ids(old, "ledger") == [young]
    assert ids(old, "ledger_history") == [first, answer]
    assert old.rows("SELECT * FROM gmail_warmup.ledger_history ORDER BY id") == before
    assert run(old).moved == 0


@pytest.mark.parametrize(
    "waiting",
    [
        {"status": "'drafted'", "sent_at": "NULL"},
        {"placement": "NULL", "locate_due_at": "now()"},
        {"rescue_due_at": "now()"},
        {"read_due_at": "now()"},
        {"mark_due_at": "now()"},
        {"reply_due_at": "now()"},
        {"trash_due_at": "now() + interval '1 day'", "recipient_trashed_at": "now()"},
        {"trash_due_at": "now()", "sender_trashed_at": "now()"},
    ],
    ids=lambda values: next(reversed(values)),
)
def test_a_mail_in_which_something_is_due_stays(old: World, waiting: dict[str, str]):
    first = put(old, days=60, **waiting)
    answer = put(old, days=60, parent=first)
    assert run(old).moved == 0
    assert ids(old, "ledger") == [first, answer]


@pytest.mark.parametrize(
    "done",
    [
        {"status": "'failed'", "sent_at": "NULL", "placement": "NULL"},
        {"placement": "NULL", "bounced_at": "now()"},
        {"read_due_at": "now()", "read_at": "now()"},
        {"trash_due_at": "now()", "sender_trashed_at": "now()", "recipient_gmail_id": "NULL"},
    ],
    ids=["failed", "bounced", "read", "never found"],
)
def test_a_mail_in_which_nothing_is_due_moves(old: World, done: dict[str, str]):
    put(old, days=60, **done)
    assert run(old).moved == 1


@pytest.mark.parametrize(
    "waiting",
    [{"locate_due_at": "now()", "collected_at": "NULL"}, {"claimed_at": "now()"}],
    ids=["uncollected", "young"],
)
def test_an_answer_keeps_its_thread(old: World, waiting: dict[str, str]):
    put(old, days=60, parent=put(old, days=60), **waiting)
    assert run(old).moved == 0


def test_what_nobody_could_do_for_a_year_is_not_waited_for(old: World):
    put(old, days=400, read_due_at="now() - interval '367 days'")
    waits = put(old, days=400, trash_due_at="now() + interval '1 day'")
    run(old, history_months=0)
    assert ids(old, "ledger") == [waits]


def test_many_batches_move_everything_once(old: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history, "BATCH_SIZE", 3)
    for _ in range(4):
        put(old, days=60, read_due_at="now()")  # rows that stay are passed by
    firsts = [put(old, days=60) for _ in range(10)]
    for first in firsts:
        put(old, days=50, parent=first)
    assert run(old).moved == 20
    assert len(ids(old, "ledger")) == 4


def test_a_run_whose_time_is_up_says_so_and_the_next_one_goes_on(old: World):
    put(old, days=60)
    assert run_maintenance(old.store.engine, old.settings, longest=0) == MaintenanceResult(
        moved=0, months=0, removed=0, finished=False
    )
    assert run(old).moved == 1


def test_two_runs_at_a_time_move_nothing_twice(old: World):
    put(old, days=60)
    with old.store.engine.begin() as connection:
        assert maintenance._try_lock(connection)
        assert run(old) == MaintenanceResult(moved=0, months=0, removed=0, finished=False)
    assert run(old).moved == 1


def test_months_are_dropped_whole_when_they_are_older_than_they_are_kept(old: World):
    year, month = divmod(datetime.now(UTC).year * 12 + datetime.now(UTC).month - 1 - 14, 12)
    last = f"timestamptz '{year}-{month + 1:02}-28 12:00Z'"
    gone = put(old, days=0, claimed_at=last, due_at=last)
    kept = put(old, days=0, claimed_at=f"{last} + interval '1 month'", due_at=last)
    assert run(old, history_months=0).months == 0
    assert ids(old, "ledger_history") == [gone, kept]
    assert run(old, history_months=13).months == 1
    assert ids(old, "ledger_history") == [kept]


@pytest.mark.parametrize(
    ("now", "months", "since"),
    [
        ("2026-11-25T03:00+00:00", 13, "2025-10-01"),
        ("2026-01-01T00:30+02:00", 1, "2025-11-01"),
        ("2026-12-31T23:59+00:00", 12, "2025-12-01"),
    ],
)
def test_whole_months_are_kept(now: str, months: int, since: str):
    assert retention_cutoff(datetime.fromisoformat(now), months) == datetime.fromisoformat(f"{since}T00:00+00:00")


LONG_AGO = "now() - interval '15 months'"
GRANT_EVENT = "INSERT INTO gmail_warmup.grant_event (mailbox_id, at, actor, to_state) SELECT id, {}, 't', 'active'"
HEALTH_EVENT = (
    "INSERT INTO gmail_warmup.health_event (mailbox_id, at, actor, from_band, to_band, reason, placed, spam, bounced,"
    " is_alertable, alert_id) SELECT id, {}, 't', 'healthy', 'watch', 'x', 1, 1, 0, {}, {}"
)
OF_ADA = f" FROM gmail_warmup.mailbox WHERE address = '{ADA}'"


def test_old_events_go_and_the_last_one_of_each_mailbox_stays(old: World):
    old.sql("DELETE FROM gmail_warmup.alert_item")
    old.sql("DELETE FROM gmail_warmup.grant_event")
    old.sql(GRANT_EVENT.format(LONG_AGO) + " FROM gmail_warmup.mailbox")
    old.sql(GRANT_EVENT.format("now()") + OF_ADA)
    for at in (LONG_AGO, "now()"):
        old.sql(HEALTH_EVENT.format(at, "false", "NULL") + OF_ADA)
    assert run(old).removed == 2
    left = old.rows("SELECT address FROM gmail_warmup.grant_event e JOIN gmail_warmup.mailbox m ON m.id = mailbox_id")
    assert sorted(left) == [(ADA,), (POOL[0],)]
    assert len(ids(old, "health_event")) == 1


def test_what_was_not_told_stays_and_what_was_is_never_told_again(old: World):
    old.sql("DELETE FROM gmail_warmup.alert_item")
    old.sql("DELETE FROM gmail_warmup.grant_event")
    alert = "INSERT INTO gmail_warmup.alert (kind, title, body, created_at, sent_at) VALUES ('changes', 'x', 'x', "
    for at in (LONG_AGO, LONG_AGO, "now()"):
        old.sql(f"{alert}{at}, {at})")
    told, unneeded, young = ids(old, "alert")
    for link in (str(told), "NULL"):
        old.sql(GRANT_EVENT.format(LONG_AGO) + OF_ADA)
        old.sql(
            "INSERT INTO gmail_warmup.alert_item (event_id, mailbox_id, alert_id)"
            f" SELECT max(id), max(mailbox_id), {link} FROM gmail_warmup.grant_event"
        )
        old.sql(HEALTH_EVENT.format(LONG_AGO, "true", link) + OF_ADA)
    old.sql(GRANT_EVENT.format("now()") + OF_ADA)
    old.sql(HEALTH_EVENT.format("now()", "false", "NULL") + OF_ADA)
    untold = old.rows("SELECT event_id FROM gmail_warmup.alert_item WHERE alert_id IS NULL")
    run(old)
    assert old.rows("SELECT event_id, alert_id FROM gmail_warmup.alert_item") == [(*untold[0], None)]
    assert len(old.rows("SELECT FROM gmail_warmup.health_event WHERE is_alertable AND alert_id IS NULL")) == 1
    assert ids(old, "alert") == [young]
    assert unneeded != told


def test_days_audits_and_expired_links_are_removed(old: World):
    for months in (15, 1):
        at = f"now() - interval '{months} months'"
        old.sql(f"INSERT INTO gmail_warmup.mailbox_day (mailbox_id, local_date) SELECT id, ({at})::date" + OF_ADA)
        old.sql(
            "INSERT INTO gmail_warmup.audit (run_id, actor, started_at, finished_at, healthy)"
            f" VALUES ('{months}', 't', {at}, {at}, 1)"
        )
        old.sql(
            "INSERT INTO gmail_warmup.invite (token_hash, mailbox_id, created_by, expires_at)"
            f" SELECT '{months}', id, 't', {at}" + OF_ADA
        )
        old.sql(
            "INSERT INTO gmail_warmup.consent (state_hash, purpose, address, code_verifier, invite_id, browser_hash,"
            f" expires_at) SELECT '{months}', 'reauth', 'x', 'x', id, 'x', {at} FROM gmail_warmup.invite"
            f" WHERE token_hash = '{months}'"
        )
    assert run(old).removed == 4
    for table in ("mailbox_day", "audit", "invite", "consent"):
        assert len(old.rows(f"SELECT FROM gmail_warmup.{table}")) == 1, table
    assert run(old, history_months=0).removed == 0


def test_a_mailbox_that_is_removed_takes_its_mails_with_it(old: World):
    put(old, days=60, parent=put(old, days=60))
    assert run(old).moved == 2
    old.sql("DELETE FROM gmail_warmup.mailbox WHERE address = :pool", pool=POOL[0])
    assert ids(old, "ledger_history") == []


def test_the_restricted_role_keeps_up_and_can_remove_nothing_young(old: World):
    put(old, days=50)
    put(old, days=1)
    with old.store.engine.begin() as connection:
        ensure_role(connection, role="upkeep_role", password="x")
    role = sa.create_engine(
        old.store.engine.url, connect_args={"options": "-c role=upkeep_role"}, poolclass=sa.pool.NullPool
    )
    assert run_maintenance(role, old.settings).moved == 1
    with role.begin() as connection:
        assert connection.scalar(sa.text("SELECT gmail_warmup.drop_months(now() + interval '1 year')")) == 0
        assert connection.scalar(sa.text("SELECT gmail_warmup.remove_old(now() + interval '1 year', 10)")) == 0
        moved = connection.execute(sa.text("SELECT * FROM gmail_warmup.move_mails(0, now() + interval '1 year', 10)"))
        assert moved.one().mails == 0
    for statement in (
        "DELETE FROM gmail_warmup.ledger", "DELETE FROM gmail_warmup.ledger_history",
        "SELECT gmail_warmup.make_months(now(), now())", "DROP TABLE gmail_warmup.ledger_history",
    ):  # fmt: skip
        with role.begin() as connection, pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
            connection.exec_driver_sql(statement)
    with old.store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE upkeep_stranger")
        connection.exec_driver_sql("GRANT USAGE ON SCHEMA gmail_warmup TO upkeep_stranger")
        connection.exec_driver_sql("SET LOCAL ROLE upkeep_stranger")
        with pytest.raises(ProgrammingError, match="permission denied for function"):
            connection.exec_driver_sql("SELECT gmail_warmup.drop_months(now())")
