"""The functions that the tasks of the DAG ``gmail_token_health`` run for the audit."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from gmail_warmup.airflow import audit_runner
from gmail_warmup.airflow.configuration import get_max_map_length
from gmail_warmup.airflow.services import Services
from gmail_warmup.airflow.tasks import execution
from gmail_warmup.alerts.compose import write_digest
from gmail_warmup.alerts.heartbeats import AUDIT_STEP, record_heartbeat
from gmail_warmup.audit import decisions
from gmail_warmup.audit.report import build_report
from gmail_warmup.audit.report_text import format_report
from gmail_warmup.audit.results import RETRYABLE_OUTCOMES, AuditResult
from gmail_warmup.core.enums import DagId
from gmail_warmup.core.log_context import log_event, log_fields
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes import repository
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.reporting.grant_days import record_grant_states

log = logging.getLogger(__name__)


def plan_audit() -> list[list[int]]:
    """Begin the audit; return the mailboxes in shards, each as the first and the last id of a range."""
    with execution.translate_errors():
        services = execution.build_services()
        services.check_installation()
        _begin_audit(services)
        with read_transaction(services.engine) as connection:
            ids = connection.scalars(sa.select(Mailbox.id).order_by(Mailbox.id)).all()
    size = max(services.settings.audit_shard, -(-len(ids) // get_max_map_length()))
    return [[ids[start], ids[min(start + size, len(ids)) - 1]] for start in range(0, len(ids), size)]


def _begin_audit(services: Services) -> decisions.StartedAudit:
    assert services.actor.run_id
    return decisions.begin_audit(services.engine, services.actor.run_id, actor=services.actor)


def probe_shard(shard: list[int], params: Mapping[str, Any]) -> dict[str, Any]:
    """Probe the grants of one shard; return an AuditResult as JSON."""
    with execution.translate_errors():
        services = execution.build_services()
        first, last = shard
        query = sa.select(Mailbox.id).where(Mailbox.id.between(first, last)).order_by(Mailbox.id)
        with read_transaction(services.engine) as connection:
            ids = connection.scalars(query).all()
        result = audit_runner.run_audit_pass(services, ids, actor=services.actor, force=bool(params.get("force")))
    return result.to_json()


def decide_refused_grants(results: Iterable[Mapping[str, Any] | None] | None) -> dict[str, Any]:
    """Merge the results of the shards and decide about the refused grants; return the merged result as JSON.

    Args:
        results: the AuditResult of each shard as JSON; None for a shard that failed.
    """
    with execution.translate_errors():
        services = execution.build_services()
        result = AuditResult.merge(AuditResult.from_json(values) for values in results or ())
        _apply_decisions(services, result)
    return result.to_json()


def _apply_decisions(services: Services, result: AuditResult) -> None:
    decision = decisions.decide_refusals(services.grant_store, _begin_audit(services), result, actor=services.actor)
    if decision.held_count:
        log.error("%d grants were refused together; they are not flagged before the second pass", decision.held_count)


def run_second_pass(first: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Probe suspect and unreached mailboxes a second time; return None if they are not due yet.

    Args:
        first: the AuditResult of the first pass as JSON; None if the task that merges the shards failed.

    Returns:
        The merged AuditResult of both passes as JSON.
    """
    with execution.translate_errors():
        services, result = execution.build_services(), AuditResult.from_json(first)
        settings, audit = services.settings, _begin_audit(services)
        with read_transaction(services.engine) as connection:
            second = decisions.select_second_pass(
                connection,
                audit,
                has_unreached=result.count(*RETRYABLE_OUTCOMES) > 0,
                delay=settings.suspect_delay,
                skip_within=settings.audit_skip_within,
            )
        if not second.mailbox_ids:
            return result.to_json()
        if second.wait_seconds > 0:
            log.info("%d mailboxes are probed again in %d s", len(second.mailbox_ids), second.wait_seconds)
            return None
        again = audit_runner.run_audit_pass(services, second.mailbox_ids, actor=services.actor, force=False)
        both = AuditResult.merge([result.without_retryable(), again])
        _apply_decisions(services, both)
    return both.to_json()


def report_audit(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Log the report of the audit, store it for the page, and return it as JSON.

    Args:
        values: the AuditResult as JSON; None if all passes failed.
    """
    with execution.translate_errors():
        services = execution.build_services()
        audit, result = _begin_audit(services), AuditResult.from_json(values)
        with write_transaction(services.engine) as connection:
            report = build_report(connection, result, expiring_days=services.settings.expiring_days)
            decisions.finish_audit(connection, audit, report)
            record_grant_states(connection)
            if values is not None:
                record_heartbeat(connection, DagId.AUDIT, AUDIT_STEP)
            if services.settings.daily_digest:
                write_digest(connection, report, audit.run_id)
    for line in filter(None, format_report(report)):
        log.info("%s", line)
    return report.to_json()


def get_newly_flagged() -> list[str]:
    """Return the mailboxes that this audit flagged, at most ``max_map_length`` of them."""
    with execution.translate_errors():
        services = execution.build_services()
        audit = _begin_audit(services)
        with read_transaction(services.engine) as connection:
            addresses = decisions.list_newly_flagged(connection, audit)
    limit = get_max_map_length()
    if len(addresses) > limit:
        log.warning(
            "%d mailboxes newly need a person; %d get a task of their own, all are on the page", len(addresses), limit
        )
    return addresses[:limit]


def report_flagged(address: str) -> dict[str, str]:
    """Log how to repair one flagged mailbox."""
    with execution.translate_errors():
        services = execution.build_services()
        with read_transaction(services.engine) as connection:
            mailbox = repository.get_mailbox(connection, address)
    reason = REASONS.look_up(mailbox.reason, "never_granted")
    with log_fields(mailbox=address):
        text = "%s needs a person: %s %s"
        log_event(log, logging.WARNING, text, address, reason.message, reason.remedy, reason_code=reason.code)
        execution.log_repair_link(address)
    return {"mailbox": address, "state": mailbox.state.value, "reason": reason.code}
