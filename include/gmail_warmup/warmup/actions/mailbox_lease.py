"""Load or lease one mailbox together with everything that may block a task in it, in one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import MailboxBlockedError, MailboxBusyError, StoppedError, UnknownMailboxError
from gmail_warmup.db.models import Mailbox
from gmail_warmup.domains.gate import GATED_DOMAINS
from gmail_warmup.gmail import api_breaker
from gmail_warmup.mailboxes import lookup, repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.warmup.health import failures
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.planning.eligibility import GlobalBlockers, find_blocker, load_blockers

MailboxWithBlockers = tuple[MailboxRecord, GlobalBlockers]
"""A mailbox, and the blockers that concern many mailboxes at that moment."""

_BLOCKER_COLUMNS = (
    sa.func.now().label("now"),
    sa.or_(kill_switch.HALT_IS_ACTIVE, Mailbox.domain.in_(GATED_DOMAINS)).label("has_blockers"),
)
_SELECT_MAILBOX = repository.SELECT_MAILBOXES.add_columns(*_BLOCKER_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class MailboxSnapshot:
    """The state that a task starts from.

    Attributes:
        any_breaker_open: see ``gmail.api_breaker``.
        is_failing: whether the last tasks of the mailbox failed.
    """

    mailbox: MailboxRecord
    blockers: GlobalBlockers
    any_breaker_open: bool
    is_failing: bool


_SELECT_BY_ADDRESS = lookup.select_by_address(
    _SELECT_MAILBOX.add_columns(
        api_breaker.ANY_API_BREAKER_OPEN.label("any_breaker_open"), failures.IS_FAILING.label("is_failing")
    )
)


def load_by_address(connection: sa.Connection, address: str) -> MailboxSnapshot:
    """Load the mailbox with this address.

    Raises:
        UnknownMailboxError: no mailbox has this address.
    """
    row = connection.execute(_SELECT_BY_ADDRESS, lookup.build_lookup(address)).one_or_none()
    if row is None:
        raise UnknownMailboxError(address)
    mailbox, blockers = _to_mailbox_with_blockers(connection, row)
    return MailboxSnapshot(
        mailbox=mailbox, blockers=blockers, any_breaker_open=row.any_breaker_open, is_failing=row.is_failing
    )


_SELECT_BY_ID = _SELECT_MAILBOX.where(Mailbox.id == sa.bindparam("id"))


def load_by_id(connection: sa.Connection, mailbox_id: int) -> MailboxWithBlockers:
    """Load the mailbox with this id."""
    return _to_mailbox_with_blockers(connection, connection.execute(_SELECT_BY_ID, {"id": mailbox_id}).one())


_ACQUIRE_LEASE = repository.TAKE_LEASE.where(repository.HAS_GRANT).returning(*_SELECT_MAILBOX.selected_columns)


def acquire_lease(
    connection: sa.Connection, mailbox_id: int, *, holder: str, seconds: int
) -> MailboxWithBlockers | None:
    """Lease the mailbox to one task, so that no two tasks use it at a time; None if another one holds it.

    The lease of a task that was killed or lost its connection expires after ``seconds``, by the database clock.
    """
    lease = {"mailbox": mailbox_id, "holder": holder, "seconds": seconds}
    row = connection.execute(_ACQUIRE_LEASE, lease).one_or_none()
    return None if row is None else _to_mailbox_with_blockers(connection, row)


_EXTEND_LEASE = repository.EXTEND_LEASE.where(repository.HAS_GRANT).returning(*_SELECT_MAILBOX.selected_columns)


def extend_lease(
    connection: sa.Connection, mailbox: MailboxRecord, action: Action, *, holder: str, seconds: int
) -> None:
    """Extend the lease on the mailbox, and lock its row until the transaction ends.

    The same statement loads what may block the action, so that a running task notices a pause, for example.

    Raises:
        StoppedError: an operator stopped everything.
        MailboxBlockedError: the mailbox may not be used for this action any more.
        MailboxBusyError: the lease ended, so another task may hold the mailbox now.
    """
    lease = {"mailbox": mailbox.id, "holder": holder, "seconds": seconds}
    row = connection.execute(_EXTEND_LEASE, lease).one_or_none()
    if row is None:
        kill_switch.ensure_not_halted(connection)
        raise MailboxBusyError(f"{mailbox.address}: this task lost the mailbox to another one; nothing is sent.")
    current, blockers = _to_mailbox_with_blockers(connection, row)
    if blocker := find_blocker(action, current, blockers):
        if blockers.active_halt:
            raise StoppedError(str(blocker))
        raise MailboxBlockedError(str(blocker), reason=blocker.code)


def _to_mailbox_with_blockers(connection: sa.Connection, row: sa.Row[Any]) -> MailboxWithBlockers:
    # Blockers are rare, so their texts are loaded only if there are any.
    blockers = load_blockers(connection) if row.has_blockers else GlobalBlockers(now=row.now)
    return repository.to_record(row), blockers
