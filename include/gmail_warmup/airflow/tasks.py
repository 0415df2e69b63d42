"""The functions that the tasks of both DAGs run. DAG files contain schedule, params and mapping only."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from gmail_warmup.airflow import gauges
from gmail_warmup.airflow.configuration import get_max_map_length, get_task_view_url
from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.airflow.services import Services
from gmail_warmup.audit import decisions
from gmail_warmup.audit.report import build_report
from gmail_warmup.audit.report_text import format_report
from gmail_warmup.audit.results import RETRYABLE_OUTCOMES, AuditOutcome, AuditResult
from gmail_warmup.core.enums import FLAGGED_STATES, Action
from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError, MayNotSendError, StoppedError
from gmail_warmup.core.log_context import log_event, log_fields, reason_code
from gmail_warmup.core.metrics import ALERT
from gmail_warmup.core.tracebacks import clear_locals_on_error
from gmail_warmup.db.engine import autocommit, read_transaction, write_transaction
from gmail_warmup.db.models import Mailbox
from gmail_warmup.gmail.api_breaker import require_api_enabled
from gmail_warmup.mailboxes import repository
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.oauth.errors import CircuitOpenError, FlaggedGrantError, SuspectGrantError
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.run import find_blocker, run_action
from gmail_warmup.warmup.content.generators import build_template_generator
from gmail_warmup.warmup.planning.backlog import Backlog, count_backlog
from gmail_warmup.warmup.planning.due import find_due_mailboxes

log = logging.getLogger(__name__)


def _skip_flagged(reason: str, address: str, code: str) -> AirflowSkipException:
    """Log why a mailbox is skipped and the link to repair it: Airflow collapses the message of the exception itself."""
    log_event(log, logging.WARNING, "%s", reason, mailbox=address, reason_code=code)
    _log_repair_link(address)
    return AirflowSkipException(reason)


def _log_repair_link(address: str) -> None:
    # On a separate line: the UI makes a link of it, and does not wrap long lines.
    log.warning("To repair it: %s", get_task_view_url(address))


def _build_services() -> Services:
    context = get_current_context()
    run = context["dag_run"]
    return Services(Actor(name=f"dag:{run.dag_id}", dag_id=run.dag_id, run_id=run.run_id))


@contextmanager
def _translate_errors(**fields: str) -> Iterator[None]:
    """Log an error in one line above the traceback.

    Args:
        fields: fields of every log line in the block, see ``core.log_context``.

    Raises:
        AirflowSkipException: for expected conditions (flagged mailbox, open breaker, kill switch, sending limit). They
            are reported elsewhere or resolve on their own.
    """
    with log_fields(**fields):
        try:
            with clear_locals_on_error():
                yield
        except FlaggedGrantError as error:
            raise _skip_flagged(str(error), error.address, reason_code(error)) from None
        except (SuspectGrantError, CircuitOpenError, StoppedError, MayNotSendError) as error:
            raise _skip_task(str(error), reason_code(error)) from None
        except GmailWarmupError as error:
            log_event(log, logging.ERROR, "%s", error, reason_code=reason_code(error))
            raise


def _skip_task(reason: str, code: str) -> AirflowSkipException:
    log_event(log, logging.INFO, "%s", reason, reason_code=code)
    return AirflowSkipException(reason)


def plan_action(action: str, params: Mapping[str, Any]) -> list[str]:
    """Return the addresses with something due for an action. In a dry run, log them and return an empty list.

    If more mailboxes are due than ``max_map_length`` allows, take the longest-waiting ones and push the number of all
    to the XCom ``backlog``.

    Raises:
        UnknownMailboxError: if the params name an address that is not a mailbox.
    """
    dry_run, limit = bool(params.get("dry_run")), get_max_map_length()
    with _translate_errors(action=action):
        selected = _get_selected_mailboxes(params)
        services = _build_services()
        services.check_installation()
        if action == Action.SEND:
            build_template_generator(services.settings)  # logs once per run if the operator's templates are unusable
        with write_transaction(services.engine) as connection:
            due = find_due_mailboxes(
                connection,
                Action(action),
                services.settings,
                only=selected,
                limit=limit + 1,
                remember=not dry_run,
            )
            backlog = count_backlog(connection, Action(action)) if len(due) > limit else None
    planned = due[:limit]
    total = backlog.mailboxes if backlog else len(due)
    log_event(log, logging.INFO, "%s: due in %d mailboxes", action, total, action=action)
    if dry_run:
        _log_dry_run(action, planned)
        return []
    if selected is None:
        gauges.send_plan_gauges(services.engine, services.meter, Action(action), taken=len(planned))
    if backlog:
        with log_fields(action=action):
            _report_backlog(action, backlog, limit)
    return planned


def _log_dry_run(action: str, addresses: list[str]) -> None:
    for address in addresses[:100]:
        log.info("%s: %s", action, address)
    log.info("Dry run: nothing is done")


def _report_backlog(action: str, backlog: Backlog, limit: int) -> None:
    """Report that some mailboxes have to wait: Airflow would fail the plan if its list exceeded the limit."""
    log.warning(
        "%s: %d mailboxes wait, the first one since %s; Airflow maps a task over %d at most ([core] max_map_length),"
        " the others wait for the next run; those that waited longest go first",
        action, backlog.mailboxes, backlog.since, limit,
    )  # fmt: skip
    get_current_context()["ti"].xcom_push(
        "backlog", {"mailboxes": backlog.mailboxes, "since": backlog.since and backlog.since.isoformat()}
    )


def _get_selected_mailboxes(params: Mapping[str, Any]) -> list[str] | None:
    addresses = params.get("mailboxes") or None
    if addresses is not None and not (isinstance(addresses, list) and all(isinstance(item, str) for item in addresses)):
        raise InvalidInputError("The param 'mailboxes' must be a list of addresses, for example [\"ada@example.com\"].")
    return addresses


def run_mailbox_action(action: str, address: str) -> dict[str, int]:
    """Run everything that is due for one action in one mailbox; return the counts of what was done."""
    with _translate_errors(action=action, mailbox=address):
        services = _build_services()
        with autocommit(services.engine) as connection:
            snapshot = mailbox_lease.load_by_address(connection, address)
        mailbox = snapshot.mailbox
        if blocker := find_blocker(Action(action), mailbox, snapshot.blockers):
            if mailbox.state in FLAGGED_STATES and mailbox.paused_at is None:
                raise _skip_flagged(str(blocker), address, blocker.code)
            raise _skip_task(str(blocker), blocker.code)
        with require_api_enabled(
            services.engine,
            lambda: services.oauth_client.client_id,
            mailbox_id=mailbox.id,
            address=address,
            some_open=snapshot.any_breaker_open,
        ):
            return run_action(
                Action(action),
                mailbox,
                engine=services.engine,
                settings=services.settings,
                gmail=GmailHook(address, services=services),
                writer=services.mail_writer,
                meter=services.meter,
            )


def plan_audit() -> list[list[int]]:
    """Begin the audit; return the mailboxes in shards, each as the first and the last id of a range."""
    with _translate_errors():
        services = _build_services()
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
    from gmail_warmup.airflow import audit_runner

    with _translate_errors():
        services = _build_services()
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
    with _translate_errors():
        services = _build_services()
        result = AuditResult.merge(AuditResult.from_json(values) for values in results or ())
        _apply_decisions(services, result)
    return result.to_json()


def _apply_decisions(services: Services, result: AuditResult) -> None:
    decision = decisions.decide_refusals(
        services.grant_store,
        _begin_audit(services),
        app_error=result.app_error,
        unreadable=result.count(AuditOutcome.UNREADABLE),
        actor=services.actor,
    )
    if decision.held_count:
        log.error("%d grants were refused together; they are not flagged before the second pass", decision.held_count)


def run_second_pass(first: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Probe suspect and unreached mailboxes a second time; return None if they are not due yet.

    Args:
        first: the AuditResult of the first pass as JSON; None if the task that merges the shards failed.

    Returns:
        The merged AuditResult of both passes as JSON.
    """
    from gmail_warmup.airflow import audit_runner

    with _translate_errors():
        services, result = _build_services(), AuditResult.from_json(first)
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
    from gmail_warmup.alerts.compose import write_digest

    with _translate_errors():
        services = _build_services()
        audit, result = _begin_audit(services), AuditResult.from_json(values)
        with write_transaction(services.engine) as connection:
            report = build_report(connection, result, expiring_days=services.settings.expiring_days)
            decisions.finish_audit(connection, audit, report)
            if services.settings.daily_digest:
                write_digest(connection, report, audit.run_id)
    for line in filter(None, format_report(report)):
        log.info("%s", line)
    return report.to_json()


def check_sending_domains() -> dict[str, dict[str, str]]:
    """Check the DNS records of the sending domains; return the code of each finding by domain and record."""
    from gmail_warmup.domains import check

    with _translate_errors():
        services = _build_services()
        settings = services.settings
        if not settings.dns_check:
            raise AirflowSkipException("dns_check is off in the settings.")
        seen = check.check_all_domains(services.engine, check.build_resolver(settings), selector=settings.dkim_selector)
    return {domain: {record.value: finding.code for record, finding in found.items()} for domain, found in seen.items()}


def run_daily_maintenance() -> dict[str, Any]:
    """Move finished mail from the ledger to its history, delete rows past their retention period; return the counts."""
    from gmail_warmup.warmup.ledger.maintenance import run_maintenance

    with _translate_errors():
        services = _build_services()
        done = run_maintenance(services.engine, services.settings)
    log.info("%s", done)
    if not done.finished:
        log.warning("Not finished: the next run continues, or run: gmail-warmup upkeep")
    return done.as_dict()


def get_newly_flagged() -> list[str]:
    """Return the mailboxes that this audit flagged, at most ``max_map_length`` of them."""
    with _translate_errors():
        services = _build_services()
        audit = _begin_audit(services)
        with read_transaction(services.engine) as connection:
            addresses = decisions.list_newly_flagged(connection, audit)
    limit = get_max_map_length()
    if len(addresses) > limit:
        log.warning(
            "%d mailboxes newly need a person; %d get a task of their own, all are on the page", len(addresses), limit
        )
    return addresses[:limit]


def alert_operator() -> dict[str, Any]:
    """Notify the operator of flagged and recovered mailboxes and of incidents; not in a dry run.

    Returns:
        The number of alerts that are new, sent and not sent, and as ``needs_reauth`` that of newly flagged mailboxes.
    """
    from gmail_warmup.airflow import notifier

    if get_current_context()["params"].get("dry_run"):
        log.info("Dry run: no alert is sent")
        return {"new": 0, "sent": 0, "failed": 0, "needs_reauth": 0}
    with _translate_errors():
        services = _build_services()
        gauges.send_status_gauges(services.engine, services.meter, services.settings)
        with write_transaction(services.engine) as connection:
            mass_refusal.close_decided_incidents(connection)
            newly = decisions.count_unreported(connection)
        alerts = notifier.send_alerts(services)
    for outcome, number in (("sent", alerts.sent), ("failed", alerts.failed)):
        services.meter.increment_counter(ALERT, outcome, number)
    return {"new": len(alerts.new_alert_ids), "sent": alerts.sent, "failed": alerts.failed, "needs_reauth": newly}


def report_flagged(address: str) -> dict[str, str]:
    """Log how to repair one flagged mailbox."""
    with _translate_errors():
        services = _build_services()
        with read_transaction(services.engine) as connection:
            mailbox = repository.get_mailbox(connection, address)
    reason = REASONS[mailbox.reason or "never_granted"]
    with log_fields(mailbox=address):
        text = "%s needs a person: %s %s"
        log_event(log, logging.WARNING, text, address, reason.message, reason.remedy, reason_code=reason.code)
        _log_repair_link(address)
    return {"mailbox": address, "state": mailbox.state.value, "reason": reason.code}
