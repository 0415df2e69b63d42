"""Runs and failures of the package's DAGs, from Airflow's own tables.

Only the api-server can read these tables, with the session of Airflow; the role of the package cannot.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy.exc import SQLAlchemyError

from gmail_warmup.core.enums import DagId

log = logging.getLogger(__name__)

_LONGEST_RUN = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class DagActivity:
    """The finished runs of a DAG in a period.

    Attributes:
        median_seconds: median duration of a run; None without a finished run.
        failed_tasks: task instances that failed, without those that a retry repaired.
        last_at: when the last run ended (aware).
        last_failed: whether the last run that ended failed.
    """

    dag_id: str
    runs: int = 0
    failed_runs: int = 0
    median_seconds: float | None = None
    failed_tasks: int = 0
    last_at: datetime | None = None
    last_failed: bool = False


def load_dag_activity(*, days: int) -> list[DagActivity]:
    """Return the activity of the DAGs; an empty list if Airflow's tables cannot be read."""
    since = datetime.now(UTC) - timedelta(days=days)
    try:
        with create_session() as session:
            runs = {row.dag_id: row for row in session.execute(_select_runs(since))}
            failed = {row.dag_id: row.tasks for row in session.execute(_select_failed_tasks(since))}
    except SQLAlchemyError as error:
        log.error("The runs of the DAGs are left out, because of a database error: %s", type(error).__name__)
        return []
    return [_to_activity(dag_id, runs.get(dag_id), failed.get(dag_id, 0)) for dag_id in map(str, DagId)]


def _select_runs(since: datetime) -> sa.Executable:
    has_failed = DagRun.state == DagRunState.FAILED
    duration = sa.func.percentile_cont(0.5).within_group(DagRun.end_date - DagRun.start_date)
    return (
        sa.select(
            DagRun.dag_id,
            sa.func.count().label("runs"),
            sa.func.count().filter(has_failed).label("failed_runs"),
            sa.func.extract("epoch", duration).label("median_seconds"),  # an interval is sorted faster than a number
            sa.func.max(DagRun.end_date).label("last_at"),
            sa.func.max(DagRun.end_date).filter(has_failed).label("last_failure_at"),
        )
        .where(DagRun.dag_id.in_(DagId), DagRun.end_date >= since)
        .where(DagRun.run_after >= since - _LONGEST_RUN)  # for the index
        .where(DagRun.state.in_((DagRunState.SUCCESS, DagRunState.FAILED)))
        .group_by(DagRun.dag_id)
    )


def _select_failed_tasks(since: datetime) -> sa.Executable:
    return (
        sa.select(TaskInstance.dag_id, sa.func.count().label("tasks"))
        .where(TaskInstance.state == TaskInstanceState.FAILED, TaskInstance.dag_id.in_(DagId))
        .where(TaskInstance.end_date >= since)
        .group_by(TaskInstance.dag_id)
    )


def _to_activity(dag_id: str, runs: Any, failed_tasks: int) -> DagActivity:
    if runs is None:
        return DagActivity(dag_id=dag_id, failed_tasks=failed_tasks)
    return DagActivity(
        dag_id=dag_id,
        runs=runs.runs,
        failed_runs=runs.failed_runs,
        median_seconds=None if runs.median_seconds is None else round(float(runs.median_seconds), 1),
        failed_tasks=failed_tasks,
        last_at=runs.last_at,
        last_failed=runs.last_failure_at is not None and runs.last_failure_at == runs.last_at,
    )
