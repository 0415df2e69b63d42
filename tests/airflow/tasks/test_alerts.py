"""The last task of each DAG: none of its steps stops a later one, and the task fails with the first error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import ProgrammingError

from gmail_warmup.airflow.tasks import alerts, execution
from gmail_warmup.core.errors import ConfigurationError
from support import alert_kit, owner_mail_kit, webhook_kit, workers
from support.smtp_server import MailServer, receiving_mail
from support.world import World

ADA, BOB = "ada@warm.example", "bob@pool.example"
EVERYTHING = {"alert", "readiness", "overview", "webhook", "owner mail"}


@dataclass
class Desk:
    """An installation in which each step has something to do, and those who receive it."""

    world: World
    operator: alert_kit.Receiver
    inbox: webhook_kit.Inbox
    owner: MailServer

    def list_effects(self) -> set[str]:
        """Return what was sent and stored."""
        found = {
            "alert": self.operator.titles,
            "readiness": self.world.rows("SELECT mailbox_id FROM gmail_warmup.mailbox_readiness"),
            "overview": self.world.rows("SELECT domain FROM gmail_warmup.domain_volume"),
            "webhook": self.inbox.types,
            "owner mail": self.owner.mails,
        }
        return {name for name, content in found.items() if content}


@pytest.fixture
def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", owner_mail_kit.BASE)
    changes = {"owner_mail_sender": "owners", "webhook_conn_ids": "desk", "webhook_private_addresses": True}
    world.settings = world.settings.model_copy(update=changes)
    monkeypatch.setattr(execution, "build_services", lambda: workers.services(world))
    context = {"params": {}, "dag_run": SimpleNamespace(), "ti": SimpleNamespace()}
    monkeypatch.setattr(execution, "get_current_context", lambda: context)
    with alert_kit.listening() as operator, webhook_kit.receiving() as inbox, receiving_mail() as owner:
        alert_kit.configure(monkeypatch, operator.url())
        monkeypatch.setenv("AIRFLOW_CONN_DESK", webhook_kit.to_connection(inbox))
        monkeypatch.setenv("AIRFLOW_CONN_OWNERS", owner.connection())
        webhook_kit.register(world.store.engine, inbox.receiver("desk"))
        world.add(ADA, kind="warmup")
        owner_mail_kit.flag(world, BOB)
        webhook_kit.flag(world.store.engine, 2)
        alert_kit.Scene(world.store.engine).write("an alert that waits")
        yield Desk(world, operator, inbox, owner)


def test_every_step_of_a_good_run_has_its_effect(desk: Desk):
    assert alerts.alert_operator()["sent"] == 1
    assert desk.list_effects() == EVERYTHING


def break_alert_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{alert_kit.CONN_ID.upper()}", json.dumps({"conn_type": "apprise", "extra": "{"}))


def test_a_malformed_connection_of_the_alerts_stops_no_later_step(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    break_alert_connection(monkeypatch)
    with pytest.raises(ConfigurationError, match="is malformed"):
        alerts.alert_operator()
    assert desk.list_effects() == EVERYTHING - {"alert"}


@pytest.mark.parametrize(
    ("table", "missing"),
    [
        ("dag_heartbeat", set[str]()),
        ("health_event", set[str]()),
        ("mailbox_readiness", {"readiness", "overview"}),  # the sums of the overview contain the readiness
        ("domain_volume", {"overview"}),
        ("webhook_delivery", {"webhook"}),
        ("owner_mail", {"owner mail"}),
    ],
)
def test_a_step_that_the_database_refuses_stops_no_other_one(desk: Desk, table: str, missing: set[str]):
    desk.world.sql(f"ALTER TABLE gmail_warmup.{table} RENAME TO hidden")
    try:
        with pytest.raises(ProgrammingError, match=table):
            alerts.alert_operator()
    finally:
        desk.world.sql(f"ALTER TABLE gmail_warmup.hidden RENAME TO {table}")
    assert desk.list_effects() == EVERYTHING - missing


def test_the_first_error_is_raised_and_the_others_are_logged(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    break_alert_connection(monkeypatch)
    desk.world.sql("ALTER TABLE gmail_warmup.owner_mail RENAME TO hidden")
    try:
        with pytest.raises(ConfigurationError):
            alerts.alert_operator()
    finally:
        desk.world.sql("ALTER TABLE gmail_warmup.hidden RENAME TO owner_mail")
    assert "Sending mails to owners failed as well: ProgrammingError" in caplog.text
