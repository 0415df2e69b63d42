"""A listener of Airflow that loads what tasks need in the scheduler, where the LocalExecutor forks them.

Every process of Airflow imports this, tasks included, so it imports nothing at the top but the marker.
"""

from __future__ import annotations

import sys
from typing import Any

from airflow.listeners import hookimpl


@hookimpl
def on_starting(component: Any) -> None:
    """Load what tasks need; Airflow calls this when a job is made, before the executor starts its processes."""
    # The job does not know its type yet. Only the process of a scheduler has loaded what runs one; so have the tasks
    # that it forks, whose component is no job.
    if "airflow.jobs.scheduler_job_runner" not in sys.modules:
        return
    from airflow.executors.executor_loader import ExecutorLoader
    from airflow.jobs.job import Job

    names = ExecutorLoader.get_executor_names()
    if isinstance(component, Job) and any(ExecutorLoader.import_executor_cls(name)[0].is_local for name in names):
        import gmail_warmup.airflow.preload  # noqa: F401  loading it is all that it is for
