"""Detect DAGs without a recent success.

Each step that shows a success of a DAG records a heartbeat. Every task ``alerts`` compares the heartbeats with the
schedules, so that any of the DAGs reports the others. A DAG that has never had a success is not reported.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from croniter import CroniterError, croniter
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.alerts.text import format_time
from gmail_warmup.core.enums import Action, DagId, IncidentKind
from gmail_warmup.core.options import parse_schedule
from gmail_warmup.core.settings import Settings
from gmail_warmup.db import clock
from gmail_warmup.db.clock import make_interval as interval
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.db.models import DagHeartbeat
from gmail_warmup.oauth.incidents import close_incidents, open_incident

AUDIT_STEP, CHECK_STEP = "report", "alerts"
"""The step that ends an audit, and the one that checks the heartbeats."""

_STEPS: Mapping[DagId, Collection[str]] = {
    DagId.WARMUP: [action.value for action in Action],
    DagId.AUDIT: [AUDIT_STEP],
}
"""The steps whose success shows that a DAG works; all of them have to succeed."""

_MAX_CHECK_GAP_SECONDS = 900
"""Maximum seconds between two checks. During a longer gap Airflow was down, which is not a delay of one DAG."""


def record_heartbeat(connection: sa.Connection, dag_id: DagId, step: str) -> datetime:
    """Record the success of a step; return since when there was no long gap between its successes."""
    statement = insert(DagHeartbeat).values(dag_id=dag_id, step=step)
    has_gap = DagHeartbeat.succeeded_at < sa.func.now() - interval(_MAX_CHECK_GAP_SECONDS)
    changes = {
        "succeeded_at": sa.func.now(),
        "steady_since": sa.case((has_gap, sa.func.now()), else_=DagHeartbeat.steady_since),
    }
    statement = statement.on_conflict_do_update(index_elements=[DagHeartbeat.dag_id, DagHeartbeat.step], set_=changes)
    since: datetime = connection.execute(statement.returning(DagHeartbeat.steady_since)).scalar_one()
    return since


def report_overdue_dags(engine: sa.Engine, settings: Settings, *, is_paused: Callable[[DagId], bool]) -> None:
    """Open an incident for each overdue DAG, and close those of the others.

    Args:
        engine: connects to the database.
        settings: the schedules, and the delays after which a DAG is overdue.
        is_paused: returns whether a DAG is paused; it is called for overdue DAGs only, outside any transaction.
    """
    for dag in _check_heartbeats(engine, settings):
        reason = "dag_paused" if is_paused(dag.dag_id) else "dag_overdue"
        detail = {"last_success": format_time(dag.last_success)}
        with write_transaction(engine) as connection:
            open_incident(connection, IncidentKind.OVERDUE, key=dag.dag_id, reason=reason, detail=detail)


@dataclass(frozen=True, kw_only=True)
class _OverdueDag:
    dag_id: DagId
    last_success: datetime


def _check_heartbeats(engine: sa.Engine, settings: Settings) -> list[_OverdueDag]:
    """Return the overdue DAGs to report; close the incidents of the others."""
    overdue = []
    with write_transaction(engine) as connection:
        now = clock.get_current_time(connection)
        checked_since = record_heartbeat(connection, DagId.MONITOR, CHECK_STEP)
        for dag_id, schedule, seconds in (
            (DagId.WARMUP, settings.warmup_schedule, settings.warmup_overdue_after),
            (DagId.AUDIT, settings.health_schedule, settings.audit_overdue_after),
        ):
            last, limit = _get_last_success(connection, dag_id), timedelta(seconds=seconds)
            due = find_next_run(schedule, last) if last else None
            if last is None or due is None or now - due <= limit:
                close_incidents(connection, IncidentKind.OVERDUE, key=dag_id)
            elif now - checked_since > limit:
                overdue.append(_OverdueDag(dag_id=dag_id, last_success=last))
    return overdue


def _get_last_success(connection: sa.Connection, dag_id: DagId) -> datetime | None:
    """Return the last success of the step of a DAG that has had none for the longest time."""
    query = sa.select(sa.func.min(DagHeartbeat.succeeded_at))
    return connection.scalar(query.where(DagHeartbeat.dag_id == dag_id, DagHeartbeat.step.in_(_STEPS[dag_id])))


def find_next_run(schedule: str, after: datetime) -> datetime | None:
    """Return when the next run after a time is due; None without a schedule, or one that is not cron.

    Airflow interprets a schedule in the time zone of the DAG's start date, which is UTC.
    """
    cron = parse_schedule(schedule)
    if cron is None:
        return None
    try:
        due: datetime = croniter(cron, after.astimezone(UTC)).get_next(datetime)
    except CroniterError:
        return None
    return due
