"""The assets that other DAGs can wait for: which mailboxes were flagged, and which recovered."""

from __future__ import annotations

import json
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

from gmail_warmup.airflow import assets
from gmail_warmup.airflow.tasks import execution
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from support.alert_kit import Scene
from support.workers import services
from support.world import FERNET_KEY, World

ADA, BOB, EVE = "ada@one.example", "bob@one.example", "eve@one.example"
NEEDS_REAUTH, RECOVERED = "gmail-warmup://needs-reauth", "gmail-warmup://recovered"


CURRENT: dict[str, Any] = {}
"""Airflow's current context; a callback has none."""


class Outlets(dict[Any, Any]):
    """Collects the asset events that a task adds."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def __getitem__(self, alias: Any) -> Any:
        return SimpleNamespace(add=lambda asset, extra: self.events[asset.uri.rstrip("/")].append(extra))


@pytest.fixture
def scene(world: World, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)
    CURRENT.clear()
    monkeypatch.setattr(execution, "get_current_context", lambda: CURRENT)
    monkeypatch.setattr(execution, "Services", lambda actor: services(world))
    return Scene(world.store.engine)


class TaskInstance:
    """Keeps what a task stores for its callback."""

    dag_id, run_id, task_id = "gmail_monitor", "run-1", "alerts"

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.state: str | None = "success"

    def get_task_states(self, dag_id: str, *, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        assert (dag_id, task_ids, run_ids) == (self.dag_id, [self.task_id], [self.run_id])
        return {self.run_id: {self.task_id: self.state}}

    def xcom_push(self, key: str, value: Any) -> None:
        self.values[key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, task_ids: str, key: str) -> Any:
        return self.values.get(key) if task_ids == self.task_id else None


def attempt_task() -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Run the function of the task; return its context, and the events that Airflow takes over if it succeeds."""
    outlets, run = Outlets(), SimpleNamespace(dag_id="gmail_monitor", run_id="run-1")
    context = {"params": {}, "dag_run": run, "ti": TaskInstance()}
    CURRENT.update(context)
    try:
        assets.alerts.function(outlet_events=outlets)
    finally:
        CURRENT.clear()
    return context, dict(outlets.events)


def run_task() -> dict[str, list[dict[str, Any]]]:
    """Run the task as Airflow does; return the events."""
    context, events = attempt_task()
    assets.alerts.kwargs["on_success_callback"](context)
    return events


def extra(*addresses: str) -> dict[str, Any]:
    return {"mailboxes": len(addresses), "addresses": list(addresses), "omitted": 0}


def test_both_directions_are_reported_once_with_the_addresses(scene: Scene):
    scene.down(EVE, ADA)
    assert run_task() == {NEEDS_REAUTH: [extra(ADA, EVE)]}
    assert run_task() == {}
    scene.up(ADA)
    scene.down(BOB)
    assert run_task() == {
        NEEDS_REAUTH: [extra(BOB)],
        RECOVERED: [extra(ADA)],
    }
    assert run_task() == {}


def test_what_was_undone_before_a_run_is_not_reported(scene: Scene):
    scene.down(ADA)
    scene.up(ADA)
    assert run_task() == {}


def test_thousands_are_counted_and_the_first_ones_are_listed():
    addresses = [f"box{number:04}@one.example" for number in range(2_000)]
    found = assets.build_extra(addresses)
    assert (found["mailboxes"], found["omitted"]) == (2_000, 1_500)
    assert found["addresses"] == addresses[:500]


def test_a_mailbox_that_is_flagged_again_is_reported_again(scene: Scene):
    for _ in range(2):
        scene.down(ADA)
        assert run_task() == {NEEDS_REAUTH: [extra(ADA)]}
        scene.up(ADA)
        assert run_task() == {RECOVERED: [extra(ADA)]}


def test_a_mailbox_that_nobody_has_signed_in_with_is_not_flagged(scene: Scene, world: World):
    with world.store.engine.begin() as connection:
        repository.add_or_update(connection, ADA, MailboxSettings(kind="pool"), actor="test")
    assert run_task() == {}


def test_the_events_of_a_task_that_was_killed_are_repeated(scene: Scene):
    scene.down(ADA)
    attempt_task()
    scene.down(BOB)
    assert run_task() == {NEEDS_REAUTH: [extra(ADA, BOB)]}
    scene.up(ADA)
    attempt_task()
    assert run_task() == {RECOVERED: [extra(ADA)]}
    assert run_task() == {}


@pytest.mark.parametrize("state", [None, "restarting", "failed", "running", "removed"])
def test_the_events_of_a_task_whose_success_airflow_refused_are_repeated(scene: Scene, state: str | None):
    """Airflow calls the callback all the same, for example for a task that was cleared while it ran."""
    scene.down(ADA)
    context, _ = attempt_task()
    context["ti"].state = state
    assets.record_events(context)
    assert run_task() == {NEEDS_REAUTH: [extra(ADA)]}
    assert run_task() == {}


@pytest.mark.parametrize("table", ["dag_heartbeat", "alert", "domain_volume"])
def test_the_events_of_a_task_that_failed_are_repeated(scene: Scene, world: World, table: str):
    """Airflow has no events of a failed task, whatever its steps have stored."""
    scene.down(ADA)
    world.sql(f"ALTER TABLE gmail_warmup.{table} RENAME TO hidden")
    try:
        with pytest.raises(ProgrammingError):
            attempt_task()
    finally:
        world.sql(f"ALTER TABLE gmail_warmup.hidden RENAME TO {table}")
    assert run_task() == {NEEDS_REAUTH: [extra(ADA)]}
    assert run_task() == {}


def test_a_mailbox_that_is_removed_meanwhile_stops_nothing(scene: Scene, world: World):
    scene.down(ADA, BOB)
    context, _ = attempt_task()
    world.sql("DELETE FROM gmail_warmup.mailbox WHERE address = :address", address=ADA)
    assets.record_events(context)
    assert run_task() == {}
