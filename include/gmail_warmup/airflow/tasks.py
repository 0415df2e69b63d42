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
from gmail_warmup.audit.report import token_health
from gmail_warmup.core import urls
from gmail_warmup.core.enums import FLAGGED, Action
from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError, MayNotSendError, StoppedError
from gmail_warmup.core.log_context import about, code_of, event
from gmail_warmup.core.metrics import ALERT
from gmail_warmup.core.settings import mapped_at_most
from gmail_warmup.core.tracebacks import without_locals
from gmail_warmup.db.engine import by_itself
from gmail_warmup.db.models import Mailbox
from gmail_warmup.gmail.api_breaker import api_usable
from gmail_warmup.mailboxes import repository
from gmail_warmup.oauth import mass_refusal
from gmail_warmup.oauth.errors import FlaggedGrantError, NotAskedError, SuspectGrantError
from gmail_warmup.oauth.grant_store import Actor
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.run import run_action, why_not
from gmail_warmup.warmup.content.generators import templates_of
from gmail_warmup.warmup.planning.backlog import Backlog, backlog
from gmail_warmup.warmup.planning.due import find_due

log = logging.getLogger(__name__)


class FlaggedSkipException(AirflowSkipException):
    """The task is skipped because somebody has to repair its mailbox."""


def _flagged(reason: str, address: str, code: str) -> FlaggedSkipException:
    """Say why a mailbox is skipped and where it is repaired; Airflow folds away what a skip itself says."""
    event(log, logging.WARNING, "%s", reason, mailbox=address, reason_code=code)
    _say_where(address)
    return FlaggedSkipException(reason)


def _say_where(address: str) -> None:
    # On a line of its own: the UI makes a link of it, and does not wrap long lines.
    log.warning("To repair it: %s", urls.task_link(address))


def _services() -> Services:
    context = get_current_context()
    run = context["dag_run"]
    return Services(Actor(name=f"dag:{run.dag_id}", dag_id=run.dag_id, run_id=run.run_id))


@contextmanager
def _errors(**fields: str) -> Iterator[None]:
    """Say what went wrong in one line above the traceback.

    Args:
        fields: what every line of the block is about, see ``logs``.

    Skipped, not failed, are a flagged mailbox, any mailbox while the breaker is open or everything is stopped, and one
    that may not send now: somebody knows already, or it ends by itself.
    """
    with about(**fields):
        try:
            with without_locals():
                yield
        except FlaggedGrantError as error:
            raise _flagged(str(error), error.address, code_of(error)) from None
        except (SuspectGrantError, NotAskedError, StoppedError, MayNotSendError) as error:
            raise _skip(str(error), code_of(error)) from None
        except GmailWarmupError as error:
            event(log, logging.ERROR, "%s", error, reason_code=code_of(error))
            raise


def _skip(reason: str, code: str) -> AirflowSkipException:
    event(log, logging.INFO, "%s", reason, reason_code=code)
    return AirflowSkipException(reason)


def plan(action: str, params: Mapping[str, Any]) -> list[str]:
    """Return the addresses with something due for an action; none in a dry run, which only logs them.

    Where more wait than Airflow maps a task over, those that waited longest have their turn, and the XCom ``backlog``
    holds how many wait.

    Raises:
        UnknownMailboxError: if the params name an address that is no mailbox.
    """
    dry_run, most = bool(params.get("dry_run")), mapped_at_most()
    with _errors(action=action):
        services = _services()
        services.check()
        if action == Action.SEND:
            templates_of(services.settings)  # once a run, the log says if the operator's cannot be used
        with services.engine.begin() as connection:
            due = find_due(
                connection,
                Action(action),
                services.settings,
                only=_chosen(params),
                limit=most + 1,
                remember=not dry_run,
            )
            waiting = backlog(connection, Action(action)) if len(due) > most else None
        if due and not dry_run:
            services.remember_client()
    due = due[:most]
    text = "%s: due in %s%d mailboxes"
    event(log, logging.INFO, text, action, "more than " if waiting else "", len(due), action=action)
    if dry_run:
        for address in due[:100]:
            log.info("%s: %s", action, address)
        log.info("Dry run: nothing is done")
        return []
    if _chosen(params) is None:
        gauges.of_plan(services.engine, services.meter, Action(action), taken=len(due))
    if waiting:
        with about(action=action):
            _report(action, waiting)
    return due


def _report(action: str, waiting: Backlog) -> None:
    """Say that not everybody has a turn; a list that is longer than Airflow allows would fail the plan."""
    log.warning(
        "%s: %d mailboxes wait, the first one since %s; Airflow maps a task over %d at most ([core] max_map_length),"
        " the others wait for the next run; those that waited longest go first",
        action, waiting.mailboxes, waiting.since, mapped_at_most(),
    )  # fmt: skip
    get_current_context()["ti"].xcom_push(
        "backlog", {"mailboxes": waiting.mailboxes, "since": waiting.since and waiting.since.isoformat()}
    )


def _chosen(params: Mapping[str, Any]) -> list[str] | None:
    chosen = params.get("mailboxes") or None
    if chosen is not None and not (isinstance(chosen, list) and all(isinstance(item, str) for item in chosen)):
        raise InvalidInputError("The param 'mailboxes' must be a list of addresses, for example [\"ada@example.com\"].")
    return chosen


def act(action: str, address: str) -> dict[str, int]:
    """Do all that is due for one action in one mailbox."""
    with _errors(action=action, mailbox=address):
        services = _services()
        with by_itself(services.engine) as connection:
            seen = mailbox_lease.by_address(connection, address)
        mailbox = seen.mailbox
        if obstacle := why_not(Action(action), mailbox, seen.at):
            repairable = mailbox.state in FLAGGED and mailbox.paused_at is None
            code = obstacle.code
            raise _flagged(str(obstacle), address, code) if repairable else _skip(str(obstacle), code)
        services.know_client(seen.client)
        client_id = services.known_client.client_id
        with api_usable(services.engine, client_id, mailbox_id=mailbox.id, address=address, some_open=seen.some_open):
            return run_action(
                Action(action),
                mailbox,
                engine=services.engine,
                settings=services.settings,
                gmail=GmailHook(address, services=services),
                writer=services.writer,
                meter=services.meter,
            )


def shards() -> list[list[int]]:
    """Begin the audit; return the mailboxes in shards, each as the first and the last id of a range."""
    with _errors():
        services = _services()
        services.check()
        _audit(services)
        with services.engine.begin() as connection:
            ids = connection.scalars(sa.select(Mailbox.id).order_by(Mailbox.id)).all()
    size = max(services.settings.audit_shard, -(-len(ids) // mapped_at_most()))
    return [[ids[start], ids[min(start + size, len(ids)) - 1]] for start in range(0, len(ids), size)]


def _audit(services: Services) -> decisions.Running:
    assert services.actor.run_id
    return decisions.begin(services.engine, services.actor.run_id, actor=services.actor)


def probe(shard: list[int], params: Mapping[str, Any]) -> dict[str, Any]:
    """Probe the grants of one shard; what it found is small enough for XCom."""
    from gmail_warmup.airflow import audit_runner

    with _errors():
        services = _services()
        first, last = shard
        with services.engine.begin() as connection:
            ids = connection.scalars(
                sa.select(Mailbox.id).where(Mailbox.id.between(first, last)).order_by(Mailbox.id)
            ).all()
        found = audit_runner.probe(services, ids, actor=services.actor, force=bool(params.get("force")))
    return found.as_dict()


def decide(found: Iterable[Mapping[str, Any] | None] | None) -> dict[str, Any]:
    """Decide about the grants that were refused; return what the shards found, added up."""
    with _errors():
        services = _services()
        return _decide(services, decisions.merged(found or []))


def _decide(services: Services, found: dict[str, Any]) -> dict[str, Any]:
    decided = decisions.decide(
        services.store,
        _audit(services),
        app_error=found["app_error"],
        unreadable=found["counts"].get("unreadable", 0),
        actor=services.actor,
    )
    if decided.held:
        log.error("%d grants were refused at once; their verdicts wait for the second pass", decided.held)
    return found


def second_pass(found: dict[str, Any]) -> dict[str, Any] | None:
    """Probe suspects, and what could not be reached, once more when it is time; None as long as it is not.

    Returns:
        What both passes found, added up.
    """
    from gmail_warmup.airflow import audit_runner

    with _errors():
        services = _services()
        settings, audit = services.settings, _audit(services)
        missed = decisions.MISSED & found["counts"].keys()
        with services.engine.begin() as connection:
            ids, wait = decisions.second_pass(
                connection, audit, missed=bool(missed), delay=settings.suspect_delay,
                skip_within=settings.audit_skip_within,
            )  # fmt: skip
        if not ids:
            return found
        if wait > 0:
            log.info("%d mailboxes are probed once more in %d s", len(ids), wait)
            return None
        again = audit_runner.probe(services, ids, actor=services.actor, force=False).as_dict()
        # Those that were not reached have been asked now, or are counted once more.
        kept = {name: count for name, count in found["counts"].items() if name not in decisions.MISSED}
        return _decide(services, decisions.merged([found | {"counts": kept, "stopped": None}, again]))


def report(found: Mapping[str, Any] | None) -> dict[str, Any]:
    """Log the report, keep it for the page, and return it."""
    from gmail_warmup.alerts.compose import digest

    with _errors():
        services = _services()
        audit = _audit(services)
        with services.engine.begin() as connection:
            health = token_health(
                connection, found or decisions.merged([]), expiring_days=services.settings.expiring_days
            )
            decisions.finish(connection, audit, health.as_dict())
            if services.settings.daily_digest:
                digest(connection, health.as_dict(), audit.run_id)
    for line in health.lines():
        log.info("%s", line)
    return health.as_dict()


def look_at_domains() -> dict[str, dict[str, str]]:
    """Look at the records of the sending domains; return the code of each finding by domain and record."""
    from gmail_warmup.domains import check

    with _errors():
        services = _services()
        settings = services.settings
        if not settings.dns_check:
            raise AirflowSkipException("dns_check is off in the settings.")
        seen = check.look_at_all(services.engine, check.resolver(settings), selector=settings.dkim_selector)
    return {domain: {record.value: finding.code for record, finding in found.items()} for domain, found in seen.items()}


def upkeep() -> dict[str, Any]:
    """Move what is done with out of the ledger, and remove what is older than it is kept; return the counts."""
    from gmail_warmup.warmup.ledger.maintenance import keep_up

    with _errors():
        services = _services()
        done = keep_up(services.engine, services.settings)
    log.info("%s", done)
    if not done.finished:
        log.warning("Some of it is left; the next run goes on, or: gmail-warmup upkeep")
    return done.as_dict()


def newly_flagged() -> list[str]:
    """Return the mailboxes that this audit found to need a person."""
    with _errors():
        services = _services()
        with services.engine.begin() as connection:
            newly = decisions.newly_flagged(connection, _audit(services))
    most = mapped_at_most()
    if len(newly) > most:
        log.warning("%d newly need a person; %d get a task of their own, all are on the page", len(newly), most)
    return newly[:most]


def alerts() -> dict[str, Any]:
    """Tell what is untold: who newly needs a person, who recovered, what concerns many at once. Nothing in a dry run.

    Returns:
        Counts: alerts that are new, sent and not sent, and ``needs_reauth``, the mailboxes that newly need a person.
    """
    from gmail_warmup.airflow import notifier

    if get_current_context()["params"].get("dry_run"):
        log.info("Dry run: nobody is told anything")
        return {"new": 0, "sent": 0, "failed": 0, "needs_reauth": 0}
    with _errors():
        services = _services()
        gauges.of_all(services.engine, services.meter, services.settings)
        with services.engine.begin() as connection:
            mass_refusal.close_decided(connection)
            newly = decisions.untold(connection)
        told = notifier.tell(services)
    for outcome, number in (("sent", told.sent), ("failed", told.failed)):
        services.meter.count(ALERT, outcome, number)
    return {"new": len(told.new), "sent": told.sent, "failed": told.failed, "needs_reauth": newly}


def needs_person(address: str) -> dict[str, str]:
    """Say what one flagged mailbox needs."""
    with _errors():
        services = _services()
        with services.engine.begin() as connection:
            mailbox = repository.get(connection, address)
    reason = REASONS[mailbox.reason or "never_granted"]
    with about(mailbox=address):
        text = "%s needs a person: %s %s"
        event(log, logging.WARNING, text, address, reason.sentence, reason.step, reason_code=reason.code)
        _say_where(address)
    return {"mailbox": address, "state": mailbox.state.value, "reason": reason.code}
