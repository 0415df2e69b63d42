"""A DAG without a recent success is reported once, and its next success ends that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from gmail_warmup.alerts.compose import compose_alerts, read_alerts
from gmail_warmup.alerts.heartbeats import find_next_run, record_heartbeat, report_overdue_dags
from gmail_warmup.core.enums import Action, DagId
from gmail_warmup.core.settings import Settings
from gmail_warmup.oauth.incidents import describe_open_incidents
from support.world import World

Check = Callable[..., list[str]]


@pytest.fixture
def check(world: World) -> Check:
    """Return what checks the DAGs as a task ``alerts`` does, and returns the titles of the new alerts."""

    def check_dags(settings: Settings | None = None, *, paused: tuple[str, ...] = ()) -> list[str]:
        engine = world.store.engine
        report_overdue_dags(engine, settings or Settings(), is_paused=lambda dag_id: dag_id in paused)
        return [alert.title for alert in read_alerts(engine, compose_alerts(engine))]

    return check_dags


def succeed(world: World, dag_id: DagId, *steps: str) -> None:
    with world.store.engine.begin() as connection:
        for step in steps:
            record_heartbeat(connection, dag_id, step)


def age(world: World, minutes: int, *, dag_id: str = "%", step: str = "%") -> None:
    """Let the last successes be older. The checks went on meanwhile."""
    world.sql(
        f"UPDATE gmail_warmup.dag_heartbeat SET succeeded_at = succeeded_at - interval '{minutes} min',"
        f" steady_since = steady_since - interval '{minutes} min' WHERE dag_id LIKE '{dag_id}' AND step LIKE '{step}'"
    )
    world.sql("UPDATE gmail_warmup.dag_heartbeat SET succeeded_at = now() WHERE dag_id = 'gmail_monitor'")


def test_nothing_is_reported_before_the_first_success(world: World, check: Check):
    assert check() == []
    age(world, 100_000)
    assert check() == []


@pytest.mark.parametrize(
    ("dag_id", "steps", "in_time", "too_late"),
    [(DagId.WARMUP, tuple(Action), 15, 31), (DagId.AUDIT, ("report",), 100, 27 * 60)],
)
def test_one_alert_when_it_begins_and_one_when_it_ends(
    world: World, check: Check, dag_id: DagId, steps: tuple[str, ...], in_time: int, too_late: int
):
    succeed(world, dag_id, *steps)
    assert check() == []
    age(world, in_time)
    assert check() == []
    age(world, too_late)
    assert check() == [f"The DAG {dag_id} is overdue"]
    assert check() == []
    succeed(world, dag_id, *steps)
    assert check() == [f"Over: The DAG {dag_id} is overdue"]
    assert check() == []


@pytest.mark.parametrize("failing", Action)
def test_each_plan_has_to_succeed(world: World, check: Check, failing: Action):
    succeed(world, DagId.WARMUP, *Action)
    check()
    age(world, 60)
    succeed(world, DagId.WARMUP, *(action for action in Action if action is not failing))
    assert check() == ["The DAG gmail_warmup is overdue"]


def test_a_paused_dag_is_reported_once_as_paused(world: World, check: Check):
    succeed(world, DagId.WARMUP, *Action)
    check()
    age(world, 60)
    engine = world.store.engine
    report_overdue_dags(engine, Settings(), is_paused=lambda dag_id: dag_id == "gmail_warmup")
    (alert,) = read_alerts(engine, compose_alerts(engine))
    assert alert.is_problem
    assert "is paused" in alert.body
    assert "Unpause it in Airflow" in alert.body
    assert "Last success: 20" in alert.body
    age(world, 24 * 60)
    assert check(paused=("gmail_warmup",)) == []
    with engine.connect() as connection:
        (text,) = describe_open_incidents(connection)
    assert "no success of the DAG gmail_warmup: A DAG of this package is paused" in text


def test_a_downtime_of_airflow_is_not_an_overdue_dag(world: World, check: Check):
    succeed(world, DagId.WARMUP, *Action)
    check()
    world.sql("UPDATE gmail_warmup.dag_heartbeat SET succeeded_at = succeeded_at - interval '5 hours'")
    assert check() == []  # the first check after the start; the first runs have not ended yet
    age(world, 25)
    assert check() == ["The DAG gmail_warmup is overdue"]
    world.sql("UPDATE gmail_warmup.dag_heartbeat SET succeeded_at = succeeded_at - interval '5 hours'")
    assert check() == []  # and a downtime does not end what was reported
    assert world.rows("SELECT count(*) FROM gmail_warmup.incident WHERE closed_at IS NULL") == [(1,)]


def test_the_schedule_decides_when_a_run_is_due(world: World, check: Check):
    succeed(world, DagId.WARMUP, *Action)
    check()
    age(world, 24 * 60)
    assert check(Settings(warmup_schedule="none")) == []
    far_month = (datetime.now(UTC).month + 5) % 12 + 1
    assert check(Settings(warmup_schedule=f"0 0 1 {far_month} *")) == []
    assert check(Settings(warmup_overdue_after=172_800)) == []
    assert check() == ["The DAG gmail_warmup is overdue"]
    assert check(Settings(warmup_schedule="none")) == ["Over: The DAG gmail_warmup is overdue"]


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("*/10 * * * *", datetime(2026, 11, 28, 10, 10, tzinfo=UTC)),
        ("@daily", datetime(2026, 11, 29, tzinfo=UTC)),
        ("@hourly", datetime(2026, 11, 28, 11, tzinfo=UTC)),
        ("*/10 8-17 * * mon-fri", datetime(2026, 11, 30, 8, tzinfo=UTC)),
        ("none", None),
        ("@continuous", None),
        ("not a schedule", None),
        ("0 0 30 2 *", None),
    ],
)
def test_when_the_next_run_is_due(schedule: str, due: datetime | None):
    assert find_next_run(schedule, datetime(2026, 11, 28, 10, 3, tzinfo=UTC)) == due  # a Saturday
