"""Audit the grants of all mailboxes every day, and name those that need a person."""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import Param, dag, task

from gmail_warmup.operators import NeedsPersonOperator
from gmail_warmup.retry import RETRY_BY_CAUSE
from gmail_warmup.settings import load, schedule


@dag(
    schedule=schedule(load().health_schedule),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["gmail"],
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "retry_policy": RETRY_BY_CAUSE},
    params={"force": Param(False, type="boolean", description="Probe also what was refreshed within the last day.")},
    doc_md=__doc__,
)
def gmail_token_health() -> None:
    """Probe shard by shard, report, then one task per mailbox that newly needs a person."""

    @task
    def shards() -> list[list[int]]:
        from gmail_warmup import tasks

        return tasks.shards()

    @task(map_index_template="mailboxes {{ task.op_kwargs['shard'][0] }}-{{ task.op_kwargs['shard'][1] }}")
    def probe(shard: list[int], params: dict) -> dict:
        from gmail_warmup import tasks

        return tasks.probe(shard, params)

    @task(trigger_rule="all_done")
    def report(found: list[dict]) -> dict:
        from gmail_warmup import tasks

        return tasks.report(found)

    @task(trigger_rule="all_done")
    def newly_flagged(found: list[dict]) -> list[str]:
        from gmail_warmup import tasks

        return tasks.newly_flagged(found)

    found = probe.expand(shard=shards())
    report(found)
    NeedsPersonOperator.partial(task_id="needs_person", map_index_template="{{ task.mailbox }}").expand(
        mailbox=newly_flagged(found)
    )


gmail_token_health()
