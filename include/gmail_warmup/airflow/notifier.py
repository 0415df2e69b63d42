"""Airflow's side of the alerts: who receives them, and when a task or a callback sends them.

DAG files import this module for the notifier; what is heavy is imported where it is used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context

    from gmail_warmup.airflow.services import Services

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AlertSummary:
    """The alerts that are new, and how many were sent or not sent this time.

    Args:
        configured: whether there is anybody to send them to.
    """

    new_alert_ids: list[int]
    configured: bool
    sent: int = 0
    failed: int = 0


def build_sender(conn_id: str) -> Callable[[str, str], None] | None:
    """Return what sends a title and a body to the receivers, or None if nobody configured any.

    A message that one of several receivers took counts as sent; the others are named in the log.

    Raises:
        ConfigurationError: if the Connection is malformed; its content is not shown.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
    from gmail_warmup.alerts.apprise_sender import AppriseSender

    return AppriseSender(found).send


def send_alerts(services: Services, *, conn_id: str | None = None) -> AlertSummary:
    """Compose what is untold, log it, and send all that is unsent.

    Args:
        conn_id: the Connection with the receivers; the setting ``alert_conn_id`` if left out.

    Raises:
        ConfigurationError: if the receivers' Connection is malformed; the alerts are written and logged all the same.
    """
    from gmail_warmup.alerts import health_alerts
    from gmail_warmup.alerts.compose import compose_alerts, read_alerts
    from gmail_warmup.alerts.outbox import send_pending_alerts

    new = [*compose_alerts(services.engine), *health_alerts.compose_health_alert(services.engine)]
    for alert in read_alerts(services.engine, new):
        log.log(logging.WARNING if alert.is_problem else logging.INFO, "%s\n%s", alert.title, alert.body)
    send = build_sender(conn_id or services.settings.alert_conn_id)
    if send is None:
        return AlertSummary(new_alert_ids=new, configured=False)
    link = _build_page_link()
    delivery = send_pending_alerts(services.engine, lambda title, body: send(title, link + body))
    return AlertSummary(new_alert_ids=new, configured=True, sent=delivery.sent, failed=delivery.failed)


def _build_page_link() -> str:
    """Return the page's address as the first line: what is cut off for a service with short messages is the end."""
    from airflow.sdk.configuration import conf

    from gmail_warmup.core import urls

    base = conf.get("api", "base_url", fallback="").rstrip("/")
    return f"{base}{urls.VIEW_PATH}\n\n" if base else ""


class GmailAlertsNotifier(BaseNotifier):
    """Send the alerts that are untold; in a failure callback also say what failed.

    For ``on_failure_callback`` and ``on_success_callback`` of any DAG or task. A failure is said each time.

    Args:
        alert_conn_id: the Connection with the receivers; the setting ``alert_conn_id`` if left out.
    """

    def __init__(self, alert_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alert_conn_id = alert_conn_id

    def notify(self, context: Context) -> None:
        """Send what there is to say.

        Raises:
            GmailWarmupError: if it cannot be said; Airflow logs it, and the state of the task stays what it is.
        """
        from gmail_warmup.airflow.services import Services
        from gmail_warmup.oauth.grant_store import Actor

        services = Services(Actor(name="notifier"))
        conn_id = self.alert_conn_id or services.settings.alert_conn_id
        try:
            if is_failure(context):
                _send_failure(context, conn_id)
        finally:
            send_alerts(services, conn_id=conn_id)


def is_failure(context: Context) -> bool:
    """Tell a failure callback from others: Airflow calls all of them with a context and nothing else.

    The callback of a DAG has a ``reason``; that of a task has an ``exception``, which is None after a success, and
    neither when the scheduler found the task's process dead.
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
    """Return title and body about a failed task or DAG run; of an exception only its type, which holds no secret."""
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
