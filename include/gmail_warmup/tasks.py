"""What the tasks of both DAGs do. The DAG files hold schedule, params and mapping; this module is imported in tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from gmail_warmup.db.models import Mailbox
from gmail_warmup.errors import GmailWarmupError, InvalidInputError
from gmail_warmup.gmail.hook import GmailHook
from gmail_warmup.grants.audit import Audit
from gmail_warmup.grants.errors import FlaggedGrantError, SuspectGrantError
from gmail_warmup.grants.reasons import REASONS
from gmail_warmup.grants.report import token_health
from gmail_warmup.grants.store import Actor
from gmail_warmup.mailboxes import repository
from gmail_warmup.services import Services
from gmail_warmup.warmup.due import Action, find_due
from gmail_warmup.warmup.run import run_action, why_not

log = logging.getLogger(__name__)

MAPPED_AT_MOST = 1000
"""Mapped tasks per action and run; Airflow's own limit ([core] max_map_length) is 1024."""


def _services() -> Services:
    context = get_current_context()
    run = context["dag_run"]
    return Services(Actor(name=f"dag:{run.dag_id}", dag_id=run.dag_id, run_id=run.run_id))


@contextmanager
def _errors() -> Iterator[None]:
    """Say what went wrong in one line above the traceback; a flagged mailbox is skipped, not failed."""
    try:
        yield
    except (FlaggedGrantError, SuspectGrantError) as error:
        raise AirflowSkipException(str(error)) from None
    except GmailWarmupError as error:
        log.error("%s", error)
        raise


def plan(action: str, params: Mapping[str, Any]) -> list[str]:
    """Return the addresses with something due for an action; none in a dry run, which only logs them.

    Raises:
        UnknownMailboxError: if the params name an address that is no mailbox.
    """
    with _errors():
        services = _services()
        services.check()
        with services.engine.begin() as connection:
            addresses = find_due(connection, Action(action), services.settings, only=_chosen(params))
    log.info("%s: due in %d mailboxes", action, len(addresses))
    for address in addresses[:100]:
        log.info("%s: %s", action, address)
    if params.get("dry_run"):
        log.info("Dry run: nothing is done")
        return []
    if len(addresses) > MAPPED_AT_MOST:
        waiting = len(addresses) - MAPPED_AT_MOST
        log.warning("%s: %d mailboxes wait for the next run; those that waited longest go first", action, waiting)
    return addresses[:MAPPED_AT_MOST]


def _chosen(params: Mapping[str, Any]) -> list[str] | None:
    chosen = params.get("mailboxes") or None
    if chosen is not None and not (isinstance(chosen, list) and all(isinstance(item, str) for item in chosen)):
        raise InvalidInputError("The param 'mailboxes' must be a list of addresses, for example [\"ada@example.com\"].")
    return chosen


def act(action: str, address: str) -> dict[str, int]:
    """Do all that is due for one action in one mailbox."""
    with _errors():
        services = _services()
        with services.engine.begin() as connection:
            mailbox = repository.get(connection, address)
        if reason := why_not(mailbox):
            raise AirflowSkipException(reason)
        return run_action(
            Action(action),
            mailbox,
            engine=services.engine,
            settings=services.settings,
            gmail=GmailHook(address, services=services),
        )


def shards() -> list[list[int]]:
    """Return the mailboxes in shards, each as the first and the last id of a range."""
    with _errors():
        services = _services()
        services.check()
        with services.engine.begin() as connection:
            ids = connection.scalars(sa.select(Mailbox.id).order_by(Mailbox.id)).all()
    size = max(services.settings.audit_shard, -(-len(ids) // MAPPED_AT_MOST))
    return [[ids[start], ids[min(start + size, len(ids)) - 1]] for start in range(0, len(ids), size)]


def probe(shard: list[int], params: Mapping[str, Any]) -> dict[str, Any]:
    """Probe the grants of one shard; what it found is small enough for XCom."""
    with _errors():
        services = _services()
        first, last = shard
        with services.engine.begin() as connection:
            ids = connection.scalars(
                sa.select(Mailbox.id).where(Mailbox.id.between(first, last)).order_by(Mailbox.id)
            ).all()
        audit = Audit(
            services.store, services.client, services.settings, actor=services.actor, force=bool(params.get("force"))
        )
        result = audit.run(ids)
    return {"counts": dict(result.counts), "newly_flagged": result.newly_flagged, "app_error": result.app_error}


def report(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Log the report and return it."""
    with _errors():
        services = _services()
        with services.engine.begin() as connection:
            shards = [result for result in found if result]
            health = token_health(connection, shards, expiring_days=services.settings.expiring_days)
    for line in health.lines():
        log.info("%s", line)
    return health.as_dict()


def newly_flagged(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the mailboxes that newly need a person."""
    newly = [address for result in found if result for address in result["newly_flagged"]]
    if len(newly) > MAPPED_AT_MOST:
        log.warning(
            "%d newly need a person; %d get a task of their own, all are on the page", len(newly), MAPPED_AT_MOST
        )
    return newly[:MAPPED_AT_MOST]


def needs_person(address: str) -> dict[str, str]:
    """Say what one flagged mailbox needs."""
    with _errors():
        services = _services()
        with services.engine.begin() as connection:
            mailbox = repository.get(connection, address)
    reason = REASONS[mailbox.reason or "never_granted"]
    log.warning("%s needs a person: %s %s", address, reason.sentence, reason.step)
    return {"mailbox": address, "state": mailbox.state.value, "reason": reason.code}
