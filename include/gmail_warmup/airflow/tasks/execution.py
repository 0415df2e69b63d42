"""What every task needs around its work: the services of its run, and errors in the form that Airflow expects."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airflow.sdk import Context, get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from gmail_warmup.airflow.configuration import get_task_view_url
from gmail_warmup.airflow.services import Services
from gmail_warmup.core.enums import ChangeSource
from gmail_warmup.core.errors import GmailWarmupError, MayNotSendError, StoppedError
from gmail_warmup.core.log_context import log_event, log_fields, reason_code
from gmail_warmup.core.tracebacks import clear_locals_on_error
from gmail_warmup.mailboxes.change_log import change_source
from gmail_warmup.oauth.errors import CircuitOpenError, FlaggedGrantError, SuspectGrantError
from gmail_warmup.oauth.grant import Actor

log = logging.getLogger(__name__)


def build_services(context: Context | None = None) -> Services:
    """Return the services of this task, with its run as the actor.

    Args:
        context: of the task, in a callback: Airflow has no current context there.
    """
    change_source.set(ChangeSource.TASK)
    run = (context or get_current_context())["dag_run"]
    return Services(Actor(name=f"dag:{run.dag_id}", dag_id=run.dag_id, run_id=run.run_id))


def is_dry_run() -> bool:
    """Return whether this run only logs what it would do."""
    return bool(get_current_context()["params"].get("dry_run"))


def push_xcom(key: str, value: Any) -> None:
    """Store a value for other tasks, beside the return value of this task."""
    get_current_context()["ti"].xcom_push(key, value)


@contextmanager
def translate_errors(**fields: str) -> Iterator[None]:
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
            raise skip_flagged(str(error), error.address, reason_code(error)) from None
        except (SuspectGrantError, CircuitOpenError, StoppedError, MayNotSendError) as error:
            raise skip_task(str(error), reason_code(error)) from None
        except GmailWarmupError as error:
            log_event(log, logging.ERROR, "%s", error, reason_code=reason_code(error))
            raise


def skip_task(reason: str, code: str) -> AirflowSkipException:
    """Log why the task has nothing to do, and return the exception that skips it."""
    log_event(log, logging.INFO, "%s", reason, reason_code=code)
    return AirflowSkipException(reason)


def skip_flagged(reason: str, address: str, code: str) -> AirflowSkipException:
    """Log why a mailbox is skipped and the link to repair it: Airflow collapses the message of the exception itself."""
    log_event(log, logging.WARNING, "%s", reason, mailbox=address, reason_code=code)
    log_repair_link(address)
    return AirflowSkipException(reason)


def log_repair_link(address: str) -> None:
    """Log the link to a mailbox on a separate line: the UI makes a link of it, and does not wrap long lines."""
    log.warning("To repair it: %s", get_task_view_url(address))
