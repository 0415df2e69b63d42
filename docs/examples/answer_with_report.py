"""Wait for a mail with an attachment, and answer it with a file."""

from __future__ import annotations

import pendulum
from airflow.sdk import dag, task

from gmail_warmup.airflow.mail.message_sensor import GmailMessageSensor
from gmail_warmup.airflow.mail.send_operator import GmailSendOperator

MAILBOX = "ada@example.com"


@dag(schedule="@daily", start_date=pendulum.datetime(2026, 1, 1, tz="UTC"), catchup=False)
def answer_with_report() -> None:
    """Count the attachments of today's mails, and send the result."""
    arrived = GmailMessageSensor(
        task_id="arrived",
        mailbox=MAILBOX,
        query="has:attachment in:inbox after:{{ data_interval_start.int_timestamp }}",
        poke_interval=300,
        timeout=6 * 3600,
        soft_fail=True,
    )

    @task
    def write_report(message_ids: list[str]) -> str:
        from gmail_warmup.airflow.gmail_hook import GmailHook

        hook = GmailHook(MAILBOX)
        sizes = [len(file.data) for message_id in message_ids for file in hook.get_attachments(message_id)]
        return f"{len(sizes)} attachments with {sum(sizes)} bytes arrived."

    GmailSendOperator(
        task_id="send",
        mailbox=MAILBOX,
        to="grace@example.com",
        subject="Attachments of {{ ds }}",
        text=write_report(arrived.output),
        retries=3,
    )


answer_with_report()
