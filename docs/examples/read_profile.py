"""Use a mailbox's grant in a DAG of your own, and report a failure to the receivers of the package's alerts."""

from __future__ import annotations

import pendulum
from airflow.sdk import dag, task

from gmail_warmup.airflow.notifier import GmailAlertsNotifier


@dag(
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    on_failure_callback=GmailAlertsNotifier(),
)
def read_profile() -> None:
    """Read the address and the history id of one mailbox."""

    @task
    def profile(mailbox: str) -> str:
        from gmail_warmup.airflow.gmail_hook import GmailHook

        return GmailHook(mailbox).get_profile().history_id

    profile("ada@example.com")


read_profile()
