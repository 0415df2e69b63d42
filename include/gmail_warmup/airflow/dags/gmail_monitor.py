"""Send alerts also while the other DAGs do not run: Airflow starts their runs, but may not finish or even create them.

The task `alerts` reports a DAG that has had no success although a run was due, and whatever else is unreported. The
task `removals` continues the removals of mailboxes that had to wait, for a task or for Google. This DAG is not paused
when Airflow creates it, so that a paused or failing `gmail_warmup` is reported within minutes.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import dag, task

from gmail_warmup.airflow.assets import alerts
from gmail_warmup.airflow.configuration import load_settings
from gmail_warmup.airflow.retry_policy import RETRY_BY_CAUSE
from gmail_warmup.core.options import parse_schedule

settings = load_settings()


@dag(
    schedule=parse_schedule(settings.monitor_schedule),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    tags=["gmail"],
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_policy": RETRY_BY_CAUSE,
        "execution_timeout": timedelta(minutes=10),
    },
    doc_md=__doc__,
)
def gmail_monitor() -> None:
    """Continue the removals of mailboxes, and send the alerts that are due."""

    @task(execution_timeout=timedelta(hours=1))  # many batches of mail to the trash; a killed task loses nothing
    def removals() -> dict:
        from gmail_warmup.airflow.tasks.removals import continue_removals

        return continue_removals()

    removals()
    alerts()


monitor_dag = gmail_monitor()
