"""Warm mailboxes up: find the mailboxes with something due, then run one mapped task per mailbox and action.

Each action (send, rescue, read, reply, collect) has a `plan_` task, which returns the addresses of the mailboxes, and a
mapped task, which does everything that is due in one mailbox. A failing mailbox never stops the others, and clearing or
retrying a task is safe: nothing is done twice. The task `alerts` notifies the operator of changes.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import Param, TaskGroup, dag, task

from gmail_warmup.airflow.assets import alerts
from gmail_warmup.airflow.configuration import load_settings
from gmail_warmup.airflow.operators import MailboxOperator
from gmail_warmup.airflow.retry_policy import RETRY_BY_CAUSE
from gmail_warmup.core.enums import Action
from gmail_warmup.core.options import parse_schedule

settings = load_settings()


@task(show_return_value_in_logs=False)
def plan(action: str, params: dict) -> list[str]:
    """Return the addresses of the mailboxes with something due for an action."""
    from gmail_warmup.airflow.tasks import warmup

    return warmup.plan_action(action, params)


@dag(
    schedule=parse_schedule(settings.warmup_schedule),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=settings.max_active_tasks,
    tags=["gmail"],
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "retry_policy": RETRY_BY_CAUSE,
        "execution_timeout": timedelta(minutes=10),
    },
    params={
        "dry_run": Param(False, type="boolean", description="Only log the mailboxes with something due."),
        "mailboxes": Param(
            [], type="array", items={"type": "string"}, description="Addresses of the mailboxes; empty for all."
        ),
    },
    doc_md=__doc__,
)
def gmail_warmup() -> None:
    """Plan every action, then run its mapped tasks; independently, send the alerts that are due."""
    # A mapped task expands over the return value of one task, so each action has its own plan task.
    with TaskGroup("plan", prefix_group_id=False):
        planned = {action: plan.override(task_id=f"plan_{action}")(action.value) for action in Action}
    for number, action in enumerate(Action):
        MailboxOperator.partial(
            task_id=action.value,
            action=action.value,
            pool="gmail_warmup",
            map_index_template="{{ task.mailbox }}",
            weight_rule="absolute",
            priority_weight=len(Action) - number,
            execution_timeout=timedelta(minutes=5),
        ).expand(mailbox=planned[action])
    alerts()


warmup_dag = gmail_warmup()
