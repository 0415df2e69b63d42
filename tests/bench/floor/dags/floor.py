"""The floor: a DAG of the shape of gmail_warmup whose tasks do nothing, as many of them as its run asks for."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import BaseOperator, Param, TaskGroup, dag, task

ACTIONS = ("send", "rescue", "read", "reply", "collect")


class NothingOperator(BaseOperator):
    """Do nothing, under a label."""

    template_fields = ("mailbox",)

    def __init__(self, *, mailbox: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mailbox = mailbox

    def execute(self, context: Any) -> None:
        """Do nothing."""


@task
def plan(action: str, params: dict[str, Any]) -> list[str]:
    """Return as many labels as the run asks for."""
    return [f"{action}{number}@floor.example" for number in range(params["tasks"].get(action, 0))]


@task(trigger_rule="all_done")
def alerts() -> dict[str, int]:
    """Return what a task returns that tells nobody anything."""
    return {"new": 0}


@dag(
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=32,
    params={"tasks": Param({}, type="object", description="Mapped tasks by action.")},
)
def floor() -> None:
    """Plan, then do nothing."""
    with TaskGroup("plan", prefix_group_id=False):
        planned = {action: plan.override(task_id=f"plan_{action}")(action) for action in ACTIONS}
    for number, action in enumerate(ACTIONS):
        NothingOperator.partial(
            task_id=action,
            pool="gmail_warmup",
            map_index_template="{{ task.mailbox }}",
            weight_rule="absolute",
            priority_weight=len(ACTIONS) - number,
        ).expand(mailbox=planned[action])
    alerts()


floor()
