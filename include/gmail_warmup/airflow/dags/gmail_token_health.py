"""Audit the OAuth grants of all mailboxes daily, and run one task per mailbox that newly needs a person.

Shards of mailboxes are probed at the token endpoint (`shards`, `probe`), refused grants are decided (`decide`), and
suspect grants are probed a second time (`second_pass`). `needs_person` is mapped over the newly flagged mailboxes, each
with a link to re-authenticate; `report` summarizes the audit, and `alerts` notifies the operator. Independently,
`sending_domains` checks SPF, DKIM and DMARC, and `upkeep` does the daily maintenance of the database.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import Param, dag, task

from gmail_warmup.airflow.assets import alerts
from gmail_warmup.airflow.configuration import load_settings
from gmail_warmup.airflow.operators import NeedsPersonOperator, SecondPassSensor
from gmail_warmup.airflow.retry_policy import RETRY_BY_CAUSE
from gmail_warmup.core.options import parse_schedule

settings = load_settings()

# A shard waits for Google's rate limit and, for some minutes, for the end of an outage. A killed probe loses nothing.
PROBE_TIMEOUT = timedelta(hours=2)


@dag(
    schedule=parse_schedule(settings.health_schedule),
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["gmail"],
    default_args={
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "retry_policy": RETRY_BY_CAUSE,
        "execution_timeout": timedelta(minutes=10),
    },
    params={
        "force": Param(
            False, type="boolean", description="Also probe grants that were refreshed within audit_skip_within."
        )
    },
    doc_md=__doc__,
)
def gmail_token_health() -> None:
    """Probe all grants in shards, decide, probe suspects again, and report; check domains and do maintenance."""

    @task
    def shards() -> list[list[int]]:
        from gmail_warmup.airflow.tasks import audit

        return audit.plan_audit()

    @task(
        map_index_template="mailboxes {{ task.op_kwargs['shard'][0] }}-{{ task.op_kwargs['shard'][1] }}",
        execution_timeout=PROBE_TIMEOUT,
    )
    def probe(shard: list[int], params: dict) -> dict:
        from gmail_warmup.airflow.tasks import audit

        return audit.probe_shard(shard, params)

    @task(trigger_rule="all_done")
    def decide(found: list[dict]) -> dict:
        from gmail_warmup.airflow.tasks import audit

        return audit.decide_refused_grants(found)

    @task(trigger_rule="all_done", show_return_value_in_logs=False)
    def report(first: dict, both: dict) -> dict:
        from gmail_warmup.airflow.tasks import audit

        return audit.report_audit(both or first)

    @task(trigger_rule="all_done")
    def newly_flagged() -> list[str]:
        from gmail_warmup.airflow.tasks import audit

        return audit.get_newly_flagged()

    @task(execution_timeout=timedelta(hours=1))  # name servers that do not answer, for hundreds of domains
    def sending_domains() -> dict:
        from gmail_warmup.airflow.tasks import daily

        return daily.check_sending_domains()

    @task(execution_timeout=timedelta(minutes=30))
    def upkeep() -> dict:
        from gmail_warmup.airflow.tasks import daily

        return daily.run_daily_maintenance()

    sending_domains()
    upkeep()
    first = decide(probe.expand(shard=shards()))
    # The second probe of a suspect grant is due after suspect_delay, 15 minutes by default.
    second_pass = SecondPassSensor(
        task_id="second_pass",
        found=first,
        poke_interval=1 + min(59, settings.suspect_delay / 10),
        timeout=7200,
        execution_timeout=PROBE_TIMEOUT,
    )
    newly = newly_flagged()
    second_pass >> newly
    NeedsPersonOperator.partial(task_id="needs_person", map_index_template="{{ task.mailbox }}").expand(mailbox=newly)
    report(first, second_pass.output) >> alerts()


token_health_dag = gmail_token_health()
