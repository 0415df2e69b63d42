"""Send alerts from a task or a callback: the receivers, and the notifier.

DAG files import this module for the notifier, so heavy modules are imported where they are used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    import sqlalchemy as sa
    from airflow.sdk import Context

    from gmail_warmup.airflow.services import Services
    from gmail_warmup.airflow.tasks.steps import Steps
    from gmail_warmup.alerts.apprise_sender import AppriseSender
    from gmail_warmup.alerts.outbox import SendCounts

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AlertSummary:
    """The new alerts, and how many alerts were sent or not sent this time.

    Args:
        configured: whether receivers are configured.
    """

    new_alert_ids: list[int]
    configured: bool
    sent: int = 0
    failed: int = 0


def build_sender(conn_id: str) -> Callable[[str, str], None] | None:
    """Return a function that sends a title and a body to the receivers without a limit, or None if there are none.

    A message that one of several receivers accepted counts as sent; the log names the others.

    Raises:
        ConfigurationError: if the Connection is malformed; its content is not shown.
    """
    from gmail_warmup.airflow.connections import load_alert_sender

    sender = load_alert_sender(conn_id)
    return sender.send if sender and None in sender.audiences else None


def send_alerts(services: Services, *, conn_id: str | None = None) -> AlertSummary:
    """Compose alerts from the unreported changes, log them, and send every pending alert.

    Args:
        conn_id: the Connection of the receivers; by default the setting ``alert_conn_id``.

    Raises:
        ConfigurationError: if the Connection is malformed; the alerts are stored and logged nevertheless. So they are
            if some of them cannot be composed.
    """
    from gmail_warmup.airflow.connections import load_alert_sender
    from gmail_warmup.airflow.tasks.steps import Steps
    from gmail_warmup.alerts.outbox import SendCounts, give_up_alerts

    sender, sent = None, list[SendCounts]()
    with Steps() as steps:
        with steps.isolate("Reading the receivers of alerts"):
            sender = load_alert_sender(conn_id or services.settings.alert_conn_id)
        new = _compose_alerts(services, list(filter(None, sender.audiences)) if sender else [], steps)
        if sender:
            give_up_alerts(services.engine)
            sent = [_send_pending(services.engine, sender, audience) for audience in sender.audiences]
    return AlertSummary(
        new_alert_ids=new,
        configured=sender is not None,
        sent=sum(counts.sent for counts in sent),
        failed=sum(counts.failed for counts in sent),
    )


def _compose_alerts(services: Services, audiences: Collection[str], steps: Steps) -> list[int]:
    """Store and log the new alerts; return their ids."""
    from gmail_warmup.alerts import failure_alerts, health_alerts, weekly_reports
    from gmail_warmup.alerts.compose import compose_alerts, read_alerts
    from gmail_warmup.warmup.health.authentication import update_authentication_incidents

    engine, new = services.engine, list[int]()
    with steps.isolate("The check for an outage"):
        failure_alerts.record_outage(engine)
    with steps.isolate("The check of authentication"):
        update_authentication_incidents(engine)
    with steps.isolate("The alert about grants and incidents"):
        new += compose_alerts(engine, audiences)
    with steps.isolate("The alert about health"):
        new += health_alerts.compose_health_alert(engine, audiences)
    with steps.isolate("The alert about mailboxes that do not work"):
        new += failure_alerts.compose_failure_alert(engine, audiences)
    with steps.isolate("The weekly report"):
        new += weekly_reports.compose_weekly_reports(engine, services.settings)
    with steps.isolate("The log of new alerts"):
        for alert in read_alerts(engine, new):
            log.log(logging.WARNING if alert.is_problem else logging.INFO, "%s\n%s", alert.title, alert.body)
    return new


def _send_pending(engine: sa.Engine, sender: AppriseSender, audience: str | None) -> SendCounts:
    from gmail_warmup.airflow.configuration import find_page_url
    from gmail_warmup.alerts.outbox import send_pending_alerts

    # The link is the first line: services with short messages cut off the end.
    link = f"{page_url}\n\n" if (page_url := find_page_url()) else ""
    return send_pending_alerts(engine, lambda title, body: sender.send(title, link + body, audience), audience=audience)


class GmailAlertsNotifier(BaseNotifier):
    """Send pending alerts; in a failure callback also send a message about the failure, each time.

    Use it as ``on_failure_callback`` or ``on_success_callback`` of any DAG or task.

    Args:
        alert_conn_id: the Connection of the receivers; by default the setting ``alert_conn_id``.
    """

    def __init__(self, alert_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alert_conn_id = alert_conn_id

    def notify(self, context: Context) -> None:
        """Send the messages.

        Raises:
            GmailWarmupError: if they cannot be sent. Airflow logs it; the state of the task does not change.
        """
        from gmail_warmup.airflow.services import Services
        from gmail_warmup.oauth.grant import Actor

        services = Services(Actor(name="notifier"))
        conn_id = self.alert_conn_id or services.settings.alert_conn_id
        try:
            if is_failure(context):
                _send_failure(context, conn_id)
        finally:
            send_alerts(services, conn_id=conn_id)


def is_failure(context: Context) -> bool:
    """Return whether the context is that of a failure callback; Airflow passes nothing else to a callback.

    The context of a DAG's callback has a ``reason``. That of a task's callback has an ``exception``, which is None
    after a success, or neither if the scheduler found that the task's process had ended.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    values: Any = context
    if "reason" in values:
        return bool(values["reason"] != "success")
    if "exception" in values:
        return values["exception"] is not None and not isinstance(values["exception"], AirflowSkipException)
    return "ti" in values


def _send_failure(context: Context, conn_id: str) -> None:
    title, body = describe_failure(context)
    log.warning("%s\n%s", title, body)
    if send := build_sender(conn_id):
        send(title, body)


def describe_failure(context: Context) -> tuple[str, str]:
    """Return title and body about a failed task or DAG run; of an exception only its type, which is never secret."""
    values: Any = context
    ti, exception = values.get("ti"), values.get("exception")
    dag_id = ti.dag_id if ti is not None else values["dag"].dag_id
    lines = [f"Run: {ti.run_id if ti is not None else values.get('run_id')}"]
    if values.get("reason"):
        lines.append(f"Reason: {values['reason']}")
    if exception is not None:
        lines.append(f"Error: {type(exception).__name__}")
    if ti is not None:
        lines.append(f"Log of the task {ti.task_id}: {ti.log_url}")
    what = f"DAG {dag_id}" if ti is None or "reason" in values else f"Task {ti.task_id} of the DAG {dag_id}"
    return f"{what} failed", "\n".join(lines)
