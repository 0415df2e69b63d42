"""The functions that the DAG ``gmail_token_health`` runs once a day beside the audit."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from gmail_warmup.airflow.tasks import execution
from gmail_warmup.domains import check
from gmail_warmup.warmup.ledger.maintenance import run_maintenance

log = logging.getLogger(__name__)


def check_sending_domains() -> dict[str, dict[str, str]]:
    """Check the DNS records of the sending domains; return the code of each finding by domain and record."""
    with execution.translate_errors():
        services = execution.build_services()
        settings = services.settings
        if not settings.dns_check:
            raise AirflowSkipException("dns_check is off in the settings.")
        seen = check.check_all_domains(services.engine, check.build_resolver(settings), selector=settings.dkim_selector)
    check.log_findings(seen)
    return {domain: {record.value: finding.code for record, finding in found.items()} for domain, found in seen.items()}


def run_daily_maintenance() -> dict[str, Any]:
    """Move finished mail from the ledger to its history, delete rows past their retention period; return the counts."""
    with execution.translate_errors():
        services = execution.build_services()
        done = run_maintenance(services.engine, services.settings)
    log.info("%s", done)
    if not done.finished:
        log.warning("Not finished: the next run continues, or run: gmail-warmup upkeep")
    return done.as_dict()
