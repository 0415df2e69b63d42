"""What the tasks of the warmup's DAG do with a dry run, and while everything is stopped."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowRuntimeError, AirflowSkipException, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse

from gmail_warmup.airflow.tasks import alerts, execution, removals, warmup
from gmail_warmup.warmup.planning import kill_switch
from support.mail_kit import ADA, AT_ONCE, POOL, get_noon_zone, use
from support.removal_kit import remove
from support.workers import services
from support.world import FERNET_KEY, World

Run = Callable[..., Any]


@pytest.fixture
def handed_on() -> dict[str, Any]:
    """Return the XComs that the tasks push, by key."""
    return {}


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, handed_on: dict[str, Any]) -> Run:
    """Return what calls a function as a task of a run with these params does."""
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)
    world.settings = AT_ONCE
    world.add(ADA, kind="warmup", expired=False)
    world.add(POOL[0], kind="pool", expired=False)
    monkeypatch.setattr(execution, "build_services", lambda: services(world))

    def call(function: Callable[..., Any], *args: Any, **params: Any) -> Any:
        context = {
            "params": params,
            "dag_run": SimpleNamespace(),
            "ti": SimpleNamespace(xcom_push=handed_on.__setitem__),
        }
        monkeypatch.setattr(execution, "get_current_context", lambda: context)
        more = (params,) if function is warmup.plan_action else ()
        return function(*args, *more)

    return call


def everything(world: World) -> list[Any]:
    """Return all rows that a run could change."""
    tables = ("mailbox", "mailbox_day", "ledger", "plan_basis", "alert", "health_event", "oauth_grant")
    return [world.rows(f"SELECT t.*, t.xmin FROM gmail_warmup.{table} t ORDER BY 1") for table in tables]


def test_a_dry_run_logs_what_is_due_and_touches_nothing(world: World, run: Run, caplog: pytest.LogCaptureFixture):
    world.sql(
        "INSERT INTO gmail_warmup.health_event (mailbox_id, actor, from_band, to_band, reason, placed, spam, bounced,"
        " is_alertable) SELECT id, 'warmup', 'healthy', 'blocked', 'spam_mostly', 20, 20, 0, true FROM "
        "gmail_warmup.mailbox"
    )
    caplog.set_level("INFO")
    before = everything(world)
    for action in ("send", "rescue", "read", "reply", "collect"):
        assert run(warmup.plan_action, action, dry_run=True) == []
    assert run(alerts.alert_operator, dry_run=True) == {"new": 0, "sent": 0, "failed": 0, "needs_reauth": 0}
    assert f"send: {ADA}" in caplog.text
    assert everything(world) == before
    assert world.sandbox.calls(ADA) == []
    assert run(warmup.plan_action, "send") == [ADA]


def test_a_plan_for_all_mailboxes_is_a_success_of_the_dag_also_while_all_actions_are_stopped(world: World, run: Run):
    recorded = "SELECT dag_id, step FROM gmail_warmup.dag_heartbeat"
    run(warmup.plan_action, "send", dry_run=True)
    run(warmup.plan_action, "send", mailboxes=[ADA])
    assert world.rows(recorded) == []
    with world.store.engine.begin() as connection:
        kill_switch.begin_halt(connection, by="cli:eva", reason="wrong template")
    run(warmup.plan_action, "send")
    assert world.rows(recorded) == [("gmail_warmup", "send")]


@pytest.mark.parametrize(("paused", "code"), [(True, "dag_paused"), (False, "dag_overdue"), (None, "dag_overdue")])
def test_the_alert_says_whether_airflow_has_paused_an_overdue_dag(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, paused: bool | None, code: str
):
    run(warmup.plan_action, "send")
    run(alerts.alert_operator)
    world.sql("UPDATE gmail_warmup.dag_heartbeat SET steady_since = now() - interval '9 h'")
    world.sql("UPDATE gmail_warmup.dag_heartbeat SET succeeded_at = now() - interval '9 h' WHERE step = 'send'")

    def get_dag(dag_id: str) -> SimpleNamespace:
        if paused is None:
            raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR))
        return SimpleNamespace(is_paused=paused)

    context = {"params": {}, "dag_run": SimpleNamespace(), "ti": SimpleNamespace(get_dag=get_dag)}
    for module in (alerts, execution):
        monkeypatch.setattr(module, "get_current_context", lambda: context)
    assert alerts.alert_operator()["new"] == 1
    assert world.rows("SELECT kind, key, reason FROM gmail_warmup.incident") == [("overdue", "gmail_warmup", code)]


def test_a_stopped_run_plans_nothing_and_skips_what_was_planned(world: World, run: Run):
    assert run(warmup.plan_action, "send") == [ADA]
    with world.store.engine.begin() as connection:
        kill_switch.begin_halt(connection, by="cli:eva", reason="wrong template")
    assert run(warmup.plan_action, "send") == []
    with pytest.raises(AirflowSkipException, match="by cli:eva: wrong template"):
        run(warmup.run_mailbox_action, "send", ADA)
    assert world.sandbox.mails() == []


def test_more_than_airflow_maps_wait_their_turn_and_are_counted(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, handed_on: dict[str, Any]
):
    """Of five mailboxes two have a turn in each run: nobody has a second one before all had their first."""
    others = [f"{name}@warm.example" for name in ("ben", "cleo", "dan", "eva")]
    for address in others:
        world.add(address, kind="warmup", expired=False)
    # In the last minutes of a day there is no second slot a gap later.
    world.sql("UPDATE gmail_warmup.mailbox SET timezone = :zone", zone=get_noon_zone())
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
    use(world, min_gap=240, delay_scale=1e-6)  # a task sends one mail, and the next one is due at once
    turns: list[str] = []
    for _ in range(3):
        planned = run(warmup.plan_action, "send")
        assert len(planned) <= 2
        for address in planned:
            assert run(warmup.run_mailbox_action, "send", address) == {"sent": 1}
        turns += planned
    assert sorted(turns[:5]) == sorted([ADA, *others])
    assert "those that waited longest go first" in caplog.text
    assert handed_on["backlog"]["mailboxes"] == 5


def test_a_mailbox_that_was_removed_after_the_plan_is_skipped(world: World, run: Run):
    assert run(warmup.plan_action, "send") == [ADA]
    remove(world)
    with pytest.raises(AirflowSkipException, match="removed or renamed after the plan"):
        run(warmup.run_mailbox_action, "send", ADA)
    assert world.rows("SELECT address FROM gmail_warmup.mailbox") == [(POOL[0],)]


def test_the_monitor_finishes_a_removal_that_had_to_wait(world: World, run: Run):
    world.sandbox.add_fault("revoke", close=True)
    assert not remove(world, revoke_grant=True).is_done
    assert run(removals.continue_removals) == {"finished": 0, "waiting": 0}  # it is not due yet
    world.sql("UPDATE gmail_warmup.mailbox_removal SET next_try_at = now()")
    assert run(removals.continue_removals) == {"finished": 0, "waiting": 1}
    world.sandbox.clear_faults()
    world.sql("UPDATE gmail_warmup.mailbox_removal SET next_try_at = now()")
    assert run(removals.continue_removals) == {"finished": 1, "waiting": 0}
