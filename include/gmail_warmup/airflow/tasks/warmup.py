"""The functions that the tasks of the DAG ``gmail_warmup`` run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gmail_warmup.airflow import gauges
from gmail_warmup.airflow.configuration import get_max_map_length
from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.airflow.services import Services
from gmail_warmup.airflow.tasks import execution
from gmail_warmup.alerts.heartbeats import record_heartbeat
from gmail_warmup.core.enums import FLAGGED_STATES, Action, DagId
from gmail_warmup.core.errors import InvalidInputError, UnknownMailboxError
from gmail_warmup.core.log_context import log_event, log_fields
from gmail_warmup.db.engine import autocommit, write_transaction
from gmail_warmup.gmail.api_breaker import require_api_enabled
from gmail_warmup.warmup.actions import mailbox_lease
from gmail_warmup.warmup.actions.run import run_action
from gmail_warmup.warmup.content.generators import build_template_generator
from gmail_warmup.warmup.health.failures import track_failures
from gmail_warmup.warmup.planning.backlog import Backlog, count_backlog
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from gmail_warmup.warmup.planning.eligibility import find_blocker

log = logging.getLogger(__name__)


def plan_action(action: str, params: Mapping[str, Any]) -> list[str]:
    """Return the addresses with something due for an action. In a dry run, log them and return an empty list.

    If more mailboxes are due than ``max_map_length`` allows, take the longest-waiting ones and push the number of all
    to the XCom ``backlog``.

    Raises:
        UnknownMailboxError: if the params name an address that is not a mailbox.
    """
    dry_run, limit = bool(params.get("dry_run")), get_max_map_length()
    with execution.translate_errors(action=action):
        selected = _get_selected_mailboxes(params)
        services = execution.build_services()
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
            if selected is None and not dry_run:
                record_heartbeat(connection, DagId.WARMUP, action)
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
    since = backlog.since and backlog.since.isoformat()
    execution.push_xcom("backlog", {"mailboxes": backlog.mailboxes, "since": since})


def _get_selected_mailboxes(params: Mapping[str, Any]) -> list[str] | None:
    addresses = params.get("mailboxes") or None
    if addresses is not None and not (isinstance(addresses, list) and all(isinstance(item, str) for item in addresses)):
        raise InvalidInputError("The param 'mailboxes' must be a list of addresses, for example [\"ada@example.com\"].")
    return addresses


def run_mailbox_action(action: str, address: str) -> dict[str, int]:
    """Run everything that is due for one action in one mailbox; return the counts of what was done."""
    with execution.translate_errors(action=action, mailbox=address):
        services = execution.build_services()
        with autocommit(services.engine) as connection:
            try:
                snapshot = mailbox_lease.load_by_address(connection, address)
            except UnknownMailboxError:
                raise execution.skip_task(
                    "The mailbox was removed or renamed after the plan.", "mailbox_removed"
                ) from None
        mailbox = snapshot.mailbox
        if blocker := find_blocker(Action(action), mailbox, snapshot.blockers):
            if mailbox.state in FLAGGED_STATES and mailbox.paused_at is None:
                raise execution.skip_flagged(str(blocker), address, blocker.code)
            raise execution.skip_task(str(blocker), blocker.code)
        gmail = GmailHook(address, services=services)
        with (
            track_failures(
                services.engine,
                mailbox.id,
                gmail,
                is_failing=snapshot.is_failing,
                after=services.settings.not_working_after,
            ),
            require_api_enabled(
                services.engine,
                lambda: _get_client_id(services, address),
                mailbox_id=mailbox.id,
                address=address,
                some_open=snapshot.any_breaker_open,
            ),
        ):
            return run_action(
                Action(action),
                mailbox,
                engine=services.engine,
                settings=services.settings,
                gmail=gmail,
                writer=services.mail_writer,
                meter=services.meter,
            )


def _get_client_id(services: Services, address: str) -> str:
    """Return the id of the OAuth client whose project serves the calls for a mailbox."""
    return services.get_client(services.grant_store.read_grant(address).client_conn_id).client_id
