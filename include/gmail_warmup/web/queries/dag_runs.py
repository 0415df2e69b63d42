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
MAX_DAYS = 7
"""Days that are read at most, because each run is read."""

_RUN, _TASK = DagRun.__table__.c, TaskInstance.__table__.c
_SINCE: sa.BindParameter[datetime] = sa.bindparam("since")
_HAS_FAILED = _RUN.state == DagRunState.FAILED
_DURATION = sa.func.percentile_cont(0.5).within_group(_RUN.end_date - _RUN.start_date)
_SELECT_RUNS = (
    sa.select(
        _RUN.dag_id,
        sa.func.count().label("runs"),
        sa.func.count().filter(_HAS_FAILED).label("failed_runs"),
        sa.func.extract("epoch", _DURATION).label("median_seconds"),  # an interval is sorted faster than a number
        sa.func.max(_RUN.end_date).label("last_at"),
        sa.func.max(_RUN.end_date).filter(_HAS_FAILED).label("last_failure_at"),
    )
    .where(_RUN.dag_id.in_(DagId), _RUN.end_date >= _SINCE)
    .where(_RUN.run_after >= sa.bindparam("run_after"))  # for the index
    .where(_RUN.state.in_((DagRunState.SUCCESS, DagRunState.FAILED)))
    .group_by(_RUN.dag_id)
)
_SELECT_FAILED_TASKS = (
    sa.select(_TASK.dag_id, sa.func.count().label("tasks"))
    .where(_TASK.state == TaskInstanceState.FAILED, _TASK.dag_id.in_(DagId), _TASK.end_date >= _SINCE)
    .group_by(_TASK.dag_id)
)


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
    """Return the activity of the DAGs in the last days, at most ``MAX_DAYS``; empty if they cannot be read."""
    since = datetime.now(UTC) - timedelta(days=min(days, MAX_DAYS))
    period = {"since": since, "run_after": since - _LONGEST_RUN}
    try:
        with create_session() as session:
            runs = {row.dag_id: row for row in session.execute(_SELECT_RUNS, period)}
            failed = {row.dag_id: row.tasks for row in session.execute(_SELECT_FAILED_TASKS, period)}
    except SQLAlchemyError as error:
        log.error("The runs of the DAGs are left out, because of a database error: %s", type(error).__name__)
        return []
    return [_to_activity(dag_id, runs.get(dag_id), failed.get(dag_id, 0)) for dag_id in map(str, DagId)]


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
