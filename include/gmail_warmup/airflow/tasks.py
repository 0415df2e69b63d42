"""What the tasks of both DAGs do. The DAG files hold schedule, params and mapping; this module is imported in tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from gmail_warmup.airflow import gauges
from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.airflow.services import Services
from gmail_warmup.audit import decisions
from gmail_warmup.audit.report import build_token_health
from gmail_warmup.core import urls
from gmail_warmup.core.enums import FLAGGED_STATES, Action
from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError, MayNotSendError, StoppedError
from gmail_warmup.core.log_context import log_event, log_fields, reason_code
from gmail_warmup.core.metrics import ALERT
from gmail_warmup.core.settings import max_map_length
from gmail_warmup.core.tracebacks import clear_locals_on_error
from gmail_warmup.db.engine import connect_autocommit
from gmail_warmup.db.models import Mailbox
from gmail_warmup.gmail.api_breaker import require_api_enabled
from gmail_warmup.mailboxes import repository
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.oauth.errors import CircuitOpenError, FlaggedGrantError, SuspectGrantError
from gmail_warmup.oauth.grant_store import Actor
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.run import find_blocker, run_action
from gmail_warmup.warmup.content.generators import build_template_generator
from gmail_warmup.warmup.planning.backlog import Backlog, count_backlog
from gmail_warmup.warmup.planning.due import find_due_mailboxes

log = logging.getLogger(__name__)


class FlaggedSkipException(AirflowSkipException):
    """The task is skipped because somebody has to repair its mailbox."""


def _skip_flagged(reason: str, address: str, code: str) -> FlaggedSkipException:
    """Say why a mailbox is skipped and where it is repaired; Airflow folds away what a skip itself says."""
    log_event(log, logging.WARNING, "%s", reason, mailbox=address, reason_code=code)
    _log_repair_link(address)
    return FlaggedSkipException(reason)


def _log_repair_link(address: str) -> None:
    # On a line of its own: the UI makes a link of it, and does not wrap long lines.
    log.warning("To repair it: %s", urls.task_view_url(address))


def _build_services() -> Services:
    context = get_current_context()
    run = context["dag_run"]
    return Services(Actor(name=f"dag:{run.dag_id}", dag_id=run.dag_id, run_id=run.run_id))


@contextmanager
def _translate_errors(**fields: str) -> Iterator[None]:
    """Say what went wrong in one line above the traceback.

    Args:
        fields: what every line of the block is about, see ``logs``.

    Skipped, not failed, are a flagged mailbox, any mailbox while the breaker is open or everything is stopped, and one
    that may not send now: somebody knows already, or it ends by itself.
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
    """Return the addresses with something due for an action; none in a dry run, which only logs them.

    Where more wait than Airflow maps a task over, those that waited longest have their turn, and the XCom ``backlog``
    holds how many wait.

    Raises:
        UnknownMailboxError: if the params name an address that is no mailbox.
    """
    dry_run, most = bool(params.get("dry_run")), max_map_length()
    with _translate_errors(action=action):
        services = _build_services()
        services.check_installation()
        if action == Action.SEND:
            build_template_generator(services.settings)  # once a run, the log says if the operator's cannot be used
        with services.engine.begin() as connection:
            due = find_due_mailboxes(
                connection,
                Action(action),
                services.settings,
                only=_get_selected_mailboxes(params),
                limit=most + 1,
                remember=not dry_run,
            )
            waiting = count_backlog(connection, Action(action)) if len(due) > most else None
        if due and not dry_run:
            services.cache_client()
    due = due[:most]
    text = "%s: due in %s%d mailboxes"
    log_event(log, logging.INFO, text, action, "more than " if waiting else "", len(due), action=action)
    if dry_run:
        for address in due[:100]:
            log.info("%s: %s", action, address)
        log.info("Dry run: nothing is done")
        return []
    if _get_selected_mailboxes(params) is None:
        gauges.send_plan_gauges(services.engine, services.meter, Action(action), taken=len(due))
    if waiting:
        with log_fields(action=action):
            _report_backlog(action, waiting)
    return due


def _report_backlog(action: str, waiting: Backlog) -> None:
    """Say that not everybody has a turn; a list that is longer than Airflow allows would fail the plan."""
    log.warning(
        "%s: %d mailboxes wait, the first one since %s; Airflow maps a task over %d at most ([core] max_map_length),"
        " the others wait for the next run; those that waited longest go first",
        action, waiting.mailboxes, waiting.since, max_map_length(),
    )  # fmt: skip
    get_current_context()["ti"].xcom_push(
        "backlog", {"mailboxes": waiting.mailboxes, "since": waiting.since and waiting.since.isoformat()}
    )


def _get_selected_mailboxes(params: Mapping[str, Any]) -> list[str] | None:
    chosen = params.get("mailboxes") or None
    if chosen is not None and not (isinstance(chosen, list) and all(isinstance(item, str) for item in chosen)):
        raise InvalidInputError("The param 'mailboxes' must be a list of addresses, for example [\"ada@example.com\"].")
    return chosen


def run_mailbox_action(action: str, address: str) -> dict[str, int]:
    """Do all that is due for one action in one mailbox."""
    with _translate_errors(action=action, mailbox=address):
        services = _build_services()
        with connect_autocommit(services.engine) as connection:
            seen = mailbox_lease.load_by_address(connection, address)
        mailbox = seen.mailbox
        if obstacle := find_blocker(Action(action), mailbox, seen.blockers):
            repairable = mailbox.state in FLAGGED_STATES and mailbox.paused_at is None
            code = obstacle.code
            raise _skip_flagged(str(obstacle), address, code) if repairable else _skip_task(str(obstacle), code)
        services.use_cached_client(seen.client)
        client_id = services.client_info.client_id
        with require_api_enabled(
            services.engine, client_id, mailbox_id=mailbox.id, address=address, some_open=seen.any_breaker_open
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
        with services.engine.begin() as connection:
            ids = connection.scalars(sa.select(Mailbox.id).order_by(Mailbox.id)).all()
    size = max(services.settings.audit_shard, -(-len(ids) // max_map_length()))
    return [[ids[start], ids[min(start + size, len(ids)) - 1]] for start in range(0, len(ids), size)]


def _begin_audit(services: Services) -> decisions.StartedAudit:
    assert services.actor.run_id
    return decisions.begin_audit(services.engine, services.actor.run_id, actor=services.actor)


def probe_shard(shard: list[int], params: Mapping[str, Any]) -> dict[str, Any]:
    """Probe the grants of one shard; what it found is small enough for XCom."""
    from gmail_warmup.airflow import audit_runner

    with _translate_errors():
        services = _build_services()
        first, last = shard
        with services.engine.begin() as connection:
            ids = connection.scalars(
                sa.select(Mailbox.id).where(Mailbox.id.between(first, last)).order_by(Mailbox.id)
            ).all()
        found = audit_runner.run_audit_pass(services, ids, actor=services.actor, force=bool(params.get("force")))
    return found.as_dict()


def decide_refused_grants(found: Iterable[Mapping[str, Any] | None] | None) -> dict[str, Any]:
    """Decide about the grants that were refused; return what the shards found, added up."""
    with _translate_errors():
        services = _build_services()
        return _apply_decisions(services, decisions.merge_results(found or []))


def _apply_decisions(services: Services, found: dict[str, Any]) -> dict[str, Any]:
    decided = decisions.decide_refusals(
        services.grant_store,
        _begin_audit(services),
        app_error=found["app_error"],
        unreadable=found["counts"].get("unreadable", 0),
        actor=services.actor,
    )
    if decided.held_count:
        log.error("%d grants were refused at once; their verdicts wait for the second pass", decided.held_count)
    return found


def run_second_pass(found: dict[str, Any]) -> dict[str, Any] | None:
    """Probe suspects, and what could not be reached, once more when it is time; None as long as it is not.

    Returns:
        What both passes found, added up.
    """
    from gmail_warmup.airflow import audit_runner

    with _translate_errors():
        services = _build_services()
        settings, audit = services.settings, _begin_audit(services)
        missed = decisions.RETRYABLE_COUNTS & found["counts"].keys()
        with services.engine.begin() as connection:
            ids, wait = decisions.select_second_pass(
                connection, audit, missed=bool(missed), delay=settings.suspect_delay,
                skip_within=settings.audit_skip_within,
            )  # fmt: skip
        if not ids:
            return found
        if wait > 0:
            log.info("%d mailboxes are probed once more in %d s", len(ids), wait)
            return None
        again = audit_runner.run_audit_pass(services, ids, actor=services.actor, force=False).as_dict()
        # Those that were not reached have been asked now, or are counted once more.
        kept = {name: count for name, count in found["counts"].items() if name not in decisions.RETRYABLE_COUNTS}
        return _apply_decisions(services, decisions.merge_results([found | {"counts": kept, "stopped": None}, again]))


def report_audit(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Log the report, keep it for the page, and return it."""
    from gmail_warmup.alerts.compose import write_digest

    with _translate_errors():
        services = _build_services()
        audit = _begin_audit(services)
        with services.engine.begin() as connection:
            health = build_token_health(
                connection, found or decisions.merge_results([]), expiring_days=services.settings.expiring_days
            )
            decisions.finish_audit(connection, audit, health.as_dict())
            if services.settings.daily_digest:
                write_digest(connection, health.as_dict(), audit.run_id)
    for line in health.format_lines():
        log.info("%s", line)
    return health.as_dict()


def check_sending_domains() -> dict[str, dict[str, str]]:
    """Look at the records of the sending domains; return the code of each finding by domain and record."""
    from gmail_warmup.domains import check

    with _translate_errors():
        services = _build_services()
        settings = services.settings
        if not settings.dns_check:
            raise AirflowSkipException("dns_check is off in the settings.")
        seen = check.check_all_domains(services.engine, check.build_resolver(settings), selector=settings.dkim_selector)
    return {domain: {record.value: finding.code for record, finding in found.items()} for domain, found in seen.items()}


def run_daily_maintenance() -> dict[str, Any]:
    """Move what is done with out of the ledger, and remove what is older than it is kept; return the counts."""
    from gmail_warmup.warmup.ledger.maintenance import run_maintenance

    with _translate_errors():
        services = _build_services()
        done = run_maintenance(services.engine, services.settings)
    log.info("%s", done)
    if not done.finished:
        log.warning("Some of it is left; the next run goes on, or: gmail-warmup upkeep")
    return done.as_dict()


def get_newly_flagged() -> list[str]:
    """Return the mailboxes that this audit found to need a person."""
    with _translate_errors():
        services = _build_services()
        with services.engine.begin() as connection:
            newly = decisions.list_newly_flagged(connection, _begin_audit(services))
    most = max_map_length()
    if len(newly) > most:
        log.warning("%d newly need a person; %d get a task of their own, all are on the page", len(newly), most)
    return newly[:most]


def alert_operator() -> dict[str, Any]:
    """Tell what is untold: who newly needs a person, who recovered, what concerns many at once. Nothing in a dry run.

    Returns:
        Counts: alerts that are new, sent and not sent, and ``needs_reauth``, the mailboxes that newly need a person.
    """
    from gmail_warmup.airflow import notifier

    if get_current_context()["params"].get("dry_run"):
        log.info("Dry run: nobody is told anything")
        return {"new": 0, "sent": 0, "failed": 0, "needs_reauth": 0}
    with _translate_errors():
        services = _build_services()
        gauges.send_status_gauges(services.engine, services.meter, services.settings)
        with services.engine.begin() as connection:
            mass_refusal.close_decided_incidents(connection)
            newly = decisions.count_unreported(connection)
        told = notifier.send_alerts(services)
    for outcome, number in (("sent", told.sent), ("failed", told.failed)):
        services.meter.increment_counter(ALERT, outcome, number)
    return {"new": len(told.new_alert_ids), "sent": told.sent, "failed": told.failed, "needs_reauth": newly}


def report_flagged(address: str) -> dict[str, str]:
    """Say what one flagged mailbox needs."""
    with _translate_errors():
        services = _build_services()
        with services.engine.begin() as connection:
            mailbox = repository.get_mailbox(connection, address)
    reason = REASONS[mailbox.reason or "never_granted"]
    with log_fields(mailbox=address):
        text = "%s needs a person: %s %s"
        log_event(log, logging.WARNING, text, address, reason.message, reason.remedy, reason_code=reason.code)
        _log_repair_link(address)
    return {"mailbox": address, "state": mailbox.state.value, "reason": reason.code}
