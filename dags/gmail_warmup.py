"""Warm mailboxes up: plan what is due, then one task per mailbox per action."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import Param, TaskGroup, dag, task

from gmail_warmup.airflow.assets import alerts
from gmail_warmup.airflow.operators import MailboxOperator
from gmail_warmup.airflow.retry_policy import RETRY_BY_CAUSE
from gmail_warmup.core.settings import load_settings, parse_schedule

settings = load_settings()
ACTIONS = ("send", "rescue", "read", "reply", "collect")


@task(show_return_value_in_logs=False)
def plan(action: str, params: dict) -> list[str]:
    """Return the mailboxes with something due for an action."""
    from gmail_warmup.airflow import tasks

    return tasks.plan_action(action, params)


@dag(
    schedule=parse_schedule(settings.warmup_schedule),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=settings.max_active_tasks,
    tags=["gmail"],
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30), "retry_policy": RETRY_BY_CAUSE},
    params={
        "dry_run": Param(False, type="boolean", description="Plan and log what is due; do nothing."),
        "mailboxes": Param([], type="array", items={"type": "string"}, description="Addresses; empty for all."),
    },
    doc_md=__doc__,
)
def gmail_warmup() -> None:
    """Plan, then act; a mailbox that fails never stops the others. Beside that, tell the operator what is new."""
    # Airflow maps over the return value of a task, one list per task: so one task of the plan per action.
    with TaskGroup("plan", prefix_group_id=False):
        planned = {action: plan.override(task_id=f"plan_{action}")(action) for action in ACTIONS}
    for number, action in enumerate(ACTIONS):
        MailboxOperator.partial(
            task_id=action,
            action=action,
            pool="gmail_warmup",
            map_index_template="{{ task.mailbox }}",
            weight_rule="absolute",
            priority_weight=len(ACTIONS) - number,
            execution_timeout=timedelta(minutes=5),
        ).expand(mailbox=planned[action])
    alerts()


gmail_warmup()
