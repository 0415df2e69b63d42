"""Run whenever the audit or a task flagged mailboxes, for example to open a ticket."""

from __future__ import annotations

import pendulum
from airflow.sdk import Asset, dag, task

from gmail_warmup.airflow.assets import NEEDS_REAUTH_URI


@dag(schedule=[Asset(NEEDS_REAUTH_URI)], start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False)
def ticket_for_flagged_mailboxes() -> None:
    """Count the mailboxes that were flagged since the last run of this DAG."""

    @task
    def open_ticket(triggering_asset_events: dict | None = None) -> int:
        events = (triggering_asset_events or {})[Asset(NEEDS_REAUTH_URI)]
        return sum(event.extra["mailboxes"] for event in events)

    open_ticket()


ticket_for_flagged_mailboxes()
