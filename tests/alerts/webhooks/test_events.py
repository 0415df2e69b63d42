"""Each transition records one event, in its own transaction, whatever code makes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.alerts import failure_alerts
from gmail_warmup.alerts.webhooks.delivery import deliver_webhooks
from gmail_warmup.core.enums import HealthBand
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import Mailbox, MailboxFailure, OAuthGrant
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth.expiry import update_expiring
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.health import monitor
from gmail_warmup.warmup.health.bands import HealthSample, HealthStatus
from gmail_warmup.warmup.readiness.store import update_readiness
from support.webhook_kit import (
    POLICY,
    Inbox,
    add_mailbox,
    fetch,
    flag,
    make_transition,
    receiving,
    register,
)
from support.world import World

ADA = "ada@one.example"


@pytest.fixture(scope="module")
def server():
    with receiving() as inbox:
        yield inbox


@pytest.fixture
def inbox(server: Inbox, database: sa.Engine) -> Inbox:
    server.messages.clear()
    server.attempts.clear()
    register(database, server.receiver())
    return server


def received(database: sa.Engine, inbox: Inbox) -> list[tuple[Any, ...]]:
    """Deliver everything; return type, states and reason of what arrived."""
    deliver_webhooks(database, [inbox.receiver()], POLICY)
    return [
        (payload["type"], *(payload["data"][name] for name in ("previous_state", "state", "reason")))
        for payload in inbox.payloads
    ]


def test_a_refused_grant_and_a_new_consent_are_reported(world: World, inbox: Inbox, actor: Actor):
    world.add(ADA)
    world.store.record_refusal(world.grant(ADA), REASONS["expired_or_revoked"], actor=actor)
    world.reauthenticate(ADA)
    assert received(world.store.engine, inbox) == [
        ("mailbox.needs_reauth", "active", "needs_reauth", "expired_or_revoked"),
        ("mailbox.recovered", "needs_reauth", "active", "consent"),
    ]


@pytest.mark.parametrize("state", ["needs_reauth", "blocked_by_admin", "account_deleted", "disabled"])
def test_every_flagged_state_is_reported_with_its_name(state: str, database: sa.Engine, inbox: Inbox):
    mailbox_id = add_mailbox(database, ADA)
    make_transition(database, mailbox_id, "suspect", state)
    make_transition(database, mailbox_id, state, "active", "consent")
    assert [(kind, after) for kind, _, after, _ in received(database, inbox)] == [
        ("mailbox.needs_reauth", state),
        ("mailbox.recovered", "active"),
    ]


@pytest.mark.parametrize(("before", "after"), [("active", "suspect"), ("suspect", "active"), ("active", "active")])
def test_a_suspicion_is_not_reported(before: str, after: str, database: sa.Engine, inbox: Inbox):
    make_transition(database, add_mailbox(database, ADA), before, after)
    assert received(database, inbox) == []


def test_a_mailbox_that_is_added_with_its_grant_has_not_recovered(world: World, inbox: Inbox):
    world.add(ADA)
    assert received(world.store.engine, inbox) == []


def test_a_first_consent_is_no_recovery(world: World, inbox: Inbox):
    with world.store.engine.begin() as connection:
        repository.add_or_update(connection, ADA, MailboxSettings(kind="pool"), actor="test")
    world.sandbox.put_mailbox(ADA)
    world.reauthenticate(ADA)
    assert received(world.store.engine, inbox) == []
    assert world.events(ADA)[-1] == ("needs_reauth", "active", "consent")


def test_a_transition_that_is_rolled_back_is_not_reported(database: sa.Engine, inbox: Inbox):
    mailbox_id = add_mailbox(database, ADA)
    with database.connect() as connection:
        connection.exec_driver_sql(
            "INSERT INTO gmail_warmup.grant_event (mailbox_id, actor, from_state, to_state)"
            f" VALUES ({mailbox_id}, 'test', 'active', 'needs_reauth')"
        )
        connection.rollback()
    assert received(database, inbox) == []


def test_a_changed_band_is_reported(database: sa.Engine, inbox: Inbox):
    mailbox_id = add_mailbox(database, ADA)
    with database.begin() as connection:
        now = connection.scalar(sa.select(sa.func.now()))
        before = HealthStatus(band=HealthBand.HEALTHY, reason=None, since=None, window_start=None)
        after = HealthStatus(band=HealthBand.PAUSED, reason="spam_mostly", since=now, window_start=None)
        sample = HealthSample(placed=9, spam=9, missing=0, bounced=0, rejected=0)
        monitor._store_band_change(connection, mailbox_id, before, after, sample, actor="warmup")
    assert received(database, inbox) == [("mailbox.health_changed", "healthy", "paused", "spam_mostly")]


def test_readiness_is_reported_when_it_begins_and_when_it_ends(database: sa.Engine, inbox: Inbox):
    mailbox_id = add_mailbox(database, ADA)
    update_readiness(database, Settings())
    assert fetch(database, "SELECT state FROM gmail_warmup.mailbox_readiness") == [("warming",)]
    with database.begin() as connection:
        change = "UPDATE gmail_warmup.mailbox_readiness SET state = 'ready', reason = 'ready', cold_mails = 7"
        connection.exec_driver_sql(change)
        connection.exec_driver_sql("UPDATE gmail_warmup.mailbox_readiness SET state = 'ready', cold_mails = 9")
    update_readiness(database, Settings())
    assert [kind for kind, *_ in received(database, inbox)] == ["mailbox.ready", "mailbox.not_ready"]
    ready, not_ready = inbox.payloads
    assert (ready["data"]["cold_mails"], ready["data"]["mailbox_id"]) == (7, mailbox_id)
    assert (not_ready["data"]["previous_state"], not_ready["data"]["state"]) == ("ready", "warming")


def test_a_ready_mailbox_that_moves_to_the_pool_is_reported_once(database: sa.Engine, inbox: Inbox):
    add_mailbox(database, ADA)
    update_readiness(database, Settings())
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE gmail_warmup.mailbox_readiness SET state = 'ready', cold_mails = 7")
        connection.exec_driver_sql("UPDATE gmail_warmup.mailbox SET kind = 'pool'")
    update_readiness(database, Settings())
    update_readiness(database, Settings())
    assert received(database, inbox)[1:] == [("mailbox.not_ready", "ready", "not_ready", "pool_mailbox")]
    assert inbox.payloads[1]["data"]["cold_mails"] == 0


def test_a_mailbox_that_does_not_work_is_reported_and_so_is_its_end(database: sa.Engine, inbox: Inbox):
    mailbox_id = add_mailbox(database, ADA)
    values = {"mailbox_id": mailbox_id, "reason": "mailbox_gone", "detail": "x", "not_working_at": sa.func.now()}
    with database.begin() as connection:
        connection.execute(sa.insert(MailboxFailure).values(values))
    failure_alerts.compose_failure_alert(database)
    failure_alerts.compose_failure_alert(database)
    with database.begin() as connection:
        connection.execute(sa.update(MailboxFailure).values(ended_at=sa.func.now()))
    failure_alerts.compose_failure_alert(database)
    assert received(database, inbox) == [
        ("mailbox.not_working", "active", "not_working", "mailbox_gone"),
        ("mailbox.recovered", "not_working", "active", "works_again"),
    ]


def test_the_end_of_a_failure_of_a_flagged_mailbox_is_no_recovery(database: sa.Engine, inbox: Inbox):
    mailbox_id = add_mailbox(database, ADA)
    values = {"mailbox_id": mailbox_id, "reason": "x", "detail": "x", "not_working_at": sa.func.now()}
    with database.begin() as connection:
        connection.execute(sa.insert(MailboxFailure).values(values))
    failure_alerts.compose_failure_alert(database)
    with database.begin() as connection:
        connection.execute(sa.update(MailboxFailure).values(ended_at=sa.func.now()))
        connection.execute(sa.update(OAuthGrant).values(state="needs_reauth"))
    failure_alerts.compose_failure_alert(database)
    assert [kind for kind, *_ in received(database, inbox)] == ["mailbox.not_working"]


def set_expiry(database: sa.Engine, column: str, days: float) -> None:
    with database.begin() as connection:
        connection.execute(sa.update(OAuthGrant).values({column: sa.func.now() + timedelta(days=days)}))


@pytest.mark.parametrize(
    ("column", "days", "reason"),
    [("refresh_expires_at", 3, "expiry_announced"), ("refreshed_at", -175, "not_used")],
)
def test_an_expiry_is_reported_once(column: str, days: float, reason: str, database: sa.Engine, inbox: Inbox):
    add_mailbox(database, ADA)
    set_expiry(database, column, days)
    assert [update_expiring(database, days=7) for _ in range(3)] == [1, 0, 0]
    assert received(database, inbox) == [("mailbox.expiring", "active", "active", reason)]
    assert inbox.payloads[0]["data"]["expires_at"][:4].isdigit()


def test_an_expiry_is_reported_again_after_it_was_averted(database: sa.Engine, inbox: Inbox):
    add_mailbox(database, ADA)
    for days in (3, 30, 3):
        set_expiry(database, "refresh_expires_at", days)
        update_expiring(database, days=7)
    assert [kind for kind, *_ in received(database, inbox)] == ["mailbox.expiring"] * 2


def test_a_new_grant_that_expires_soon_is_reported_although_the_former_one_was(world: World, inbox: Inbox):
    world.add(ADA)
    for _ in range(2):
        set_expiry(world.store.engine, "refresh_expires_at", 3)
        assert update_expiring(world.store.engine, days=7) == 1
        world.reauthenticate(ADA)


def remove(database: sa.Engine, address: str = ADA) -> None:
    with database.begin() as connection:
        connection.execute(sa.delete(Mailbox).where(Mailbox.address == address))


def test_a_removal_is_reported_with_what_waited_before_it_and_leaves_no_address(database: sa.Engine, inbox: Inbox):
    flag(database, add_mailbox(database, ADA))
    remove(database)
    assert [kind for kind, *_ in received(database, inbox)] == ["mailbox.needs_reauth", "mailbox.removed"]
    assert [payload["data"]["address"] for payload in inbox.payloads] == [ADA, ADA]
    for table in ("webhook_event", "webhook_delivery", "webhook_receiver"):
        assert ADA not in str(fetch(database, f"SELECT * FROM gmail_warmup.{table}"))


def test_a_removal_that_nobody_wants_to_know_leaves_no_address(database: sa.Engine, inbox: Inbox):
    register(database, inbox.receiver(events=["mailbox.ready"]))
    add_mailbox(database, ADA)
    remove(database)
    assert fetch(database, "SELECT * FROM gmail_warmup.webhook_event") == []


def test_the_address_of_a_removed_mailbox_stays_until_its_last_event_is_delivered(database: sa.Engine, inbox: Inbox):
    add_mailbox(database, ADA)
    remove(database)
    inbox.answer = lambda payload, before: 204 if before else 500
    deliver_webhooks(database, [inbox.receiver()], POLICY)
    assert fetch(database, "SELECT address FROM gmail_warmup.webhook_event") == [(ADA,)]
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE gmail_warmup.webhook_delivery SET next_try_at = now()")
    deliver_webhooks(database, [inbox.receiver()], POLICY)
    inbox.answer = lambda payload, before: 204
    assert inbox.types == ["removed"]
    assert fetch(database, "SELECT address FROM gmail_warmup.webhook_event") == [(None,)]


def test_a_renamed_mailbox_is_named_by_its_present_address(database: sa.Engine, inbox: Inbox):
    flag(database, add_mailbox(database, ADA))
    with database.begin() as connection:
        connection.execute(sa.update(Mailbox).values(address="ada@two.example"))
    received(database, inbox)
    assert inbox.payloads[0]["data"]["address"] == "ada@two.example"


def test_nothing_is_recorded_while_there_is_no_receiver(database: sa.Engine):
    flag(database, add_mailbox(database, ADA))
    remove(database)
    assert fetch(database, "SELECT * FROM gmail_warmup.webhook_event") == []
