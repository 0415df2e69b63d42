"""The function that the last task of each DAG runs: notify the operator, store readiness and sums, send webhooks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowRuntimeError

from gmail_warmup.airflow import gauges, notifier
from gmail_warmup.airflow.mail.owner_mails import send_owner_mails
from gmail_warmup.airflow.tasks import execution
from gmail_warmup.airflow.webhooks.runner import send_webhooks
from gmail_warmup.alerts import heartbeats
from gmail_warmup.audit import decisions
from gmail_warmup.audit.decisions import UnreportedChanges
from gmail_warmup.core.enums import DagId
from gmail_warmup.core.metrics import ALERT
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.warmup.readiness.store import update_readiness
from gmail_warmup.warmup.reporting.refresh import refresh_overview

log = logging.getLogger(__name__)


def alert_operator(report: Callable[[UnreportedChanges], None] = lambda changes: None) -> dict[str, Any]:
    """Notify the operator of flagged and recovered mailboxes and of incidents, send webhooks and mail owners.

    Not in a dry run. Webhooks and mails to owners are sent also if the receivers of alerts are misconfigured, and the
    other way round.

    Args:
        report: is called with the mailboxes that were newly flagged, and those that recovered.

    Returns:
        The number of alerts that are new, sent and not sent, and as ``needs_reauth`` that of newly flagged mailboxes.
    """
    if execution.is_dry_run():
        log.info("Dry run: no alert is sent")
        return {"new": 0, "sent": 0, "failed": 0, "needs_reauth": 0}
    with execution.translate_errors():
        services = execution.build_services()
        gauges.send_status_gauges(services.engine, services.meter, services.settings)
        heartbeats.report_overdue_dags(services.engine, services.settings, is_paused=_is_paused)
        with write_transaction(services.engine) as connection:
            mass_refusal.close_decided_incidents(connection)
            changes = decisions.list_unreported(connection)
        try:
            alerts = notifier.send_alerts(services)
            update_readiness(services.engine, services.settings)
            refresh_overview(services.engine, services.settings)
        finally:
            try:
                send_webhooks(services)
            finally:
                send_owner_mails(services)
    report(changes)
    for outcome, number in (("sent", alerts.sent), ("failed", alerts.failed)):
        services.meter.increment_counter(ALERT, outcome, number)
    return {
        "new": len(alerts.new_alert_ids),
        "sent": alerts.sent,
        "failed": alerts.failed,
        "needs_reauth": len(changes.flagged),
    }


def _is_paused(dag_id: DagId) -> bool:
    """Return whether a DAG is paused; False if Airflow does not know it."""
    ti: Any = get_current_context()["ti"]
    try:
        return bool(ti.get_dag(dag_id.value).is_paused)
    except AirflowRuntimeError as error:
        log.warning("Airflow does not say whether the DAG %s is paused: %s", dag_id, error)
        return False
