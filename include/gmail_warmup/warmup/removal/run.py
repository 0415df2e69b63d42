"""Continue the removal of a mailbox: wait until nobody uses it, then take the steps that are left.

The state of a removal is stored after each step, so that a task, a command or the page continues after a crash. Google
does not hold up a removal for long: what it does not accept within a day is recorded in the receipt.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from gmail_warmup.core.errors import GmailWarmupError, StoppedError
from gmail_warmup.core.log_context import log_event, reason_code
from gmail_warmup.db.clock import get_current_time
from gmail_warmup.db.engine import autocommit, read_transaction, retry_conflict, write_transaction
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.db.models import Mailbox, RemovalStep
from gmail_warmup.mailboxes import removals, repository
from gmail_warmup.mailboxes.removals import Removal
from gmail_warmup.oauth.errors import FlaggedGrantError
from gmail_warmup.warmup.ledger import entries as ledger
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.removal import steps
from gmail_warmup.warmup.removal.steps import DATABASE_REFUSED, TIME_IS_UP, RemovalWaitsError
from gmail_warmup.warmup.removal.tools import RemovalTools

log = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(days=1)
"""How long the steps at Google are tried."""
RETRY_SECONDS = 300.0
_POLL_SECONDS = 0.5


def continue_removal(
    tools: RemovalTools,
    removal_id: int,
    *,
    ends: float = math.inf,
    wait: float = 0,
    on_wait: Callable[[Removal], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Removal:
    """Take the steps of a removal that are left, and return its state.

    Args:
        ends: the monotonic time after which no further batch is begun; the rest is left to the next call.
        wait: seconds to wait for a task that uses the mailbox.
        on_wait: called once if that is necessary.
    """
    deadline, told = time.monotonic() + wait, False
    while True:
        try:
            _take_steps(tools, removal_id, ends)
        except DBAPIError as error:
            if isinstance(error, OperationalError):
                raise
            log.error("Removal %d: the database refused a step (%s)", removal_id, type(error.orig).__name__)
            return _store_code(tools, removal_id, DATABASE_REFUSED)
        except GmailWarmupError as error:
            removal = _store_problem(tools, removal_id, error)
            if not isinstance(error, RemovalWaitsError) or not error.is_busy or time.monotonic() >= deadline:
                return removal
            if not told:
                on_wait(removal)
                told = True
            sleep(_POLL_SECONDS)
        else:
            return _load(tools, removal_id)


def _load(tools: RemovalTools, removal_id: int) -> Removal:
    with read_transaction(tools.engine) as connection:
        return removals.get_removal(connection, removal_id)


def _store_problem(tools: RemovalTools, removal_id: int, error: GmailWarmupError) -> Removal:
    code = reason_code(error)
    level = logging.INFO if isinstance(error, RemovalWaitsError) else logging.WARNING
    log_event(log, level, "Removal %d waits: %s", removal_id, error, reason_code=code)
    return _store_code(tools, removal_id, code)


def _store_code(tools: RemovalTools, removal_id: int, code: str) -> Removal:
    with autocommit(tools.engine) as connection:
        retry_after = 0 if code == TIME_IS_UP else RETRY_SECONDS
        removals.store_problem(connection, removal_id, code, retry_after=retry_after)
    return _load(tools, removal_id)


def _take_steps(tools: RemovalTools, removal_id: int, ends: float) -> None:
    removal = _load(tools, removal_id)
    if removal.is_done:
        return
    with _lease(tools, removal) as extend_lease:

        def keep_lease() -> None:
            if time.monotonic() >= ends:
                raise RemovalWaitsError(TIME_IS_UP)
            extend_lease()

        while not removal.is_done:
            keep_lease()
            _take_step(tools, removal, keep_lease)
            removal = _load(tools, removal_id)
    log_event(log, logging.INFO, "Removal %d: nothing is stored about the mailbox any more", removal_id)


def _take_step(tools: RemovalTools, removal: Removal, keep_lease: Callable[[], None]) -> None:
    if removal.step is RemovalStep.TRASH:
        outcome = _try_step(tools, removal, lambda: _trash(tools, removal, keep_lease)) if removal.trash_mail else None
        _store_step(tools, removal, step=RemovalStep.REVOKE, trash_outcome=outcome, problem=None)
    elif removal.step is RemovalStep.REVOKE:
        revoke = removal.revoke_grant
        outcome = _try_step(tools, removal, lambda: steps.revoke_grant(tools, removal)) if revoke else None
        _store_step(tools, removal, step=RemovalStep.ERASE, revoke_outcome=outcome, problem=None)
    else:
        _require_no_delivery(tools, removal)
        while not _erase_batch(tools, removal):
            keep_lease()


def _trash(tools: RemovalTools, removal: Removal, keep_lease: Callable[[], None]) -> str:
    with read_transaction(tools.engine) as connection:
        kill_switch.ensure_not_halted(connection)
    return steps.trash_mail(tools, removal, keep_lease=keep_lease)


def _try_step(tools: RemovalTools, removal: Removal, step: Callable[[], str]) -> str:
    """Return the outcome of a step at Google; the reason code of its failure if it is not tried again."""
    try:
        return step()
    except FlaggedGrantError as error:  # only a person can change it
        return reason_code(error)
    except StoppedError:
        raise
    except GmailWarmupError as error:
        with read_transaction(tools.engine) as connection:
            is_late = get_current_time(connection) - removal.requested_at > GIVE_UP_AFTER
        if not is_late or (isinstance(error, RemovalWaitsError) and not error.is_refusal):
            raise
        return reason_code(error)


def _store_step(tools: RemovalTools, removal: Removal, **values: object) -> None:
    with autocommit(tools.engine) as connection:
        removals.store_step(connection, removal, **values)


_DELIVERED_TO = (
    sa.select(L.id)
    .join(Mailbox, Mailbox.id == L.sender_id)
    .where(L.recipient_id == sa.bindparam("mailbox"), ledger.UNSENT, Mailbox.lease_until > sa.func.now())
    .limit(1)
)


def _require_no_delivery(tools: RemovalTools, removal: Removal) -> None:
    """Check that no task is about to send a mail to the mailbox: its row would become anonymous while it is sent.

    Raises:
        RemovalWaitsError: one is.
    """
    with read_transaction(tools.engine) as connection:
        if connection.scalar(_DELIVERED_TO, {"mailbox": removal.mailbox_id}):
            raise RemovalWaitsError("partner_busy")


@retry_conflict
def _erase_batch(tools: RemovalTools, removal: Removal) -> bool:
    with write_transaction(tools.engine) as connection:
        return removals.erase_batch(connection, removal.id)


@contextmanager
def _lease(tools: RemovalTools, removal: Removal) -> Iterator[Callable[[], None]]:
    """Lease the mailbox; yield the function that extends the lease.

    Raises:
        RemovalWaitsError: a task uses the mailbox.
    """
    holder = removals.build_lease_holder(removal.id, uuid.uuid4().hex)
    lease = {"mailbox": removal.mailbox_id, "holder": holder, "seconds": tools.settings.mailbox_lease}

    def execute(statement: sa.Update) -> None:
        with autocommit(tools.engine) as connection:
            if connection.execute(statement, lease).rowcount or removal.address is None:
                return
        raise RemovalWaitsError("mailbox_busy")

    execute(repository.TAKE_LEASE)
    try:
        yield lambda: execute(repository.EXTEND_LEASE)
    finally:
        with autocommit(tools.engine) as connection:
            repository.release_lease(connection, removal.mailbox_id, holder=holder)
