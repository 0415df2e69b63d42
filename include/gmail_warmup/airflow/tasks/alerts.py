"""The function that the last task of both DAGs runs: notify the operator, then store readiness and sums."""

from __future__ import annotations

import logging
from typing import Any

from gmail_warmup.airflow import gauges, notifier
from gmail_warmup.airflow.tasks import execution
from gmail_warmup.audit import decisions
from gmail_warmup.core.metrics import ALERT
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.warmup.readiness.store import update_readiness
from gmail_warmup.warmup.reporting.refresh import refresh_overview

log = logging.getLogger(__name__)


def alert_operator() -> dict[str, Any]:
    """Notify the operator of flagged and recovered mailboxes and of incidents; not in a dry run.

    Returns:
        The number of alerts that are new, sent and not sent, and as ``needs_reauth`` that of newly flagged mailboxes.
    """
    if execution.is_dry_run():
        log.info("Dry run: no alert is sent")
        return {"new": 0, "sent": 0, "failed": 0, "needs_reauth": 0}
    with execution.translate_errors():
        services = execution.build_services()
        gauges.send_status_gauges(services.engine, services.meter, services.settings)
        with write_transaction(services.engine) as connection:
            mass_refusal.close_decided_incidents(connection)
            newly = decisions.count_unreported(connection)
        alerts = notifier.send_alerts(services)
        update_readiness(services.engine, services.settings)
        refresh_overview(services.engine, services.settings)
    for outcome, number in (("sent", alerts.sent), ("failed", alerts.failed)):
        services.meter.increment_counter(ALERT, outcome, number)
    return {"new": len(alerts.new_alert_ids), "sent": alerts.sent, "failed": alerts.failed, "needs_reauth": newly}
