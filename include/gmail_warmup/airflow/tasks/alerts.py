"""The function that the last task of each DAG runs: notify the operator, store readiness and sums, send webhooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from airflow.sdk import Context, get_current_context
from airflow.sdk.exceptions import AirflowRuntimeError

from gmail_warmup.airflow import gauges, notifier
from gmail_warmup.airflow.mail.owner_mails import send_owner_mails
from gmail_warmup.airflow.notifier import AlertSummary
from gmail_warmup.airflow.services import Services
from gmail_warmup.airflow.tasks import execution
from gmail_warmup.airflow.tasks.steps import Steps
from gmail_warmup.airflow.webhooks.runner import send_webhooks
from gmail_warmup.alerts import asset_changes, heartbeats
from gmail_warmup.alerts.asset_changes import AssetChanges
from gmail_warmup.core.enums import DagId
from gmail_warmup.core.metrics import ALERT
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.warmup.readiness.store import update_readiness
from gmail_warmup.warmup.reporting.refresh import refresh_overview

log = logging.getLogger(__name__)


def alert_operator(report: Callable[[AssetChanges], None] = lambda changes: None) -> dict[str, Any]:
    """Notify the operator of flagged and recovered mailboxes and of incidents, send webhooks and mail owners.

    Not in a dry run. A step that fails, for example because the Connection of the alerts is malformed, stops no later
    one; the task then fails with the first error.

    Args:
        report: is called with the mailboxes that are newly flagged, and those that recovered, at the end.

    Returns:
        The number of alerts that are new, sent and not sent, and as ``needs_reauth`` that of newly flagged mailboxes.
    """
    if execution.is_dry_run():
        log.info("Dry run: no alert is sent")
        return {"new": 0, "sent": 0, "failed": 0, "needs_reauth": 0}
    changes, alerts = AssetChanges(), AlertSummary(new_alert_ids=[], configured=False)
    with execution.translate_errors(), Steps() as steps:
        services = execution.build_services()
        _check_status(services, steps)
        with steps.isolate("The list of changes"):
            changes = _list_changes(services)
        with steps.isolate("Sending alerts"):
            alerts = _send_alerts(services)
        _store_and_deliver(services, steps)
    report(changes)
    return {
        "new": len(alerts.new_alert_ids),
        "sent": alerts.sent,
        "failed": alerts.failed,
        "needs_reauth": len(changes.flagged),
    }


def _check_status(services: Services, steps: Steps) -> None:
    with steps.isolate("Sending gauges"):
        gauges.send_status_gauges(services.engine, services.meter, services.settings)
    with steps.isolate("The check for overdue DAGs"):
        heartbeats.report_overdue_dags(services.engine, services.settings, is_paused=_is_paused)


def _list_changes(services: Services) -> AssetChanges:
    with write_transaction(services.engine) as connection:
        mass_refusal.close_decided_incidents(connection)
        return asset_changes.list_changes(connection)


def record_asset_events(context: Context, *, flagged: Sequence[int], recovered: Sequence[int]) -> None:
    """Store that Airflow recorded the events about these mailboxes."""
    with write_transaction(execution.build_services(context).engine) as connection:
        asset_changes.record_reported(connection, flagged=flagged, recovered=recovered)


def _send_alerts(services: Services) -> AlertSummary:
    alerts = notifier.send_alerts(services)
    for outcome, number in (("sent", alerts.sent), ("failed", alerts.failed)):
        services.meter.increment_counter(ALERT, outcome, number)
    return alerts


def _store_and_deliver(services: Services, steps: Steps) -> None:
    with steps.isolate("The update of readiness"):
        update_readiness(services.engine, services.settings)
    with steps.isolate("The refresh of the overview"):
        refresh_overview(services.engine, services.settings)
    with steps.isolate("Sending webhooks"):
        send_webhooks(services)
    with steps.isolate("Sending mails to owners"):
        send_owner_mails(services)


def _is_paused(dag_id: DagId) -> bool:
    """Return whether a DAG is paused; False if Airflow does not know it."""
    ti: Any = get_current_context()["ti"]
    try:
        return bool(ti.get_dag(dag_id.value).is_paused)
    except AirflowRuntimeError as error:
        log.warning("Airflow does not say whether the DAG %s is paused: %s", dag_id, error)
        return False
