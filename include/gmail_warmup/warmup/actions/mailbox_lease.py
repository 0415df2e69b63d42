"""One mailbox with everything that stands in its way, in one round trip: what each task asks first, and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import MailboxBusyError, UnknownMailboxError
from gmail_warmup.db.models import Mailbox
from gmail_warmup.domains.gate import GATED_DOMAINS
from gmail_warmup.gmail import api_breaker
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.oauth import client_cache
from gmail_warmup.warmup.planning import kill_switch
from gmail_warmup.warmup.planning.eligibility import GlobalBlockers, load_blockers

MailboxWithBlockers = tuple[MailboxRecord, GlobalBlockers]
"""A mailbox, and what holds for many at that moment."""

_BLOCKER_COLUMNS = (
    sa.func.now().label("now"),
    sa.or_(kill_switch.HALT_IS_ACTIVE, Mailbox.domain.in_(GATED_DOMAINS)).label("hindered"),
)
_SELECT_MAILBOX = repository.SELECT_MAILBOXES.add_columns(*_BLOCKER_COLUMNS)
_SELECT_SNAPSHOT = _SELECT_MAILBOX.add_columns(client_cache.COLUMN, api_breaker.ANY_API_BREAKER_OPEN.label("some_open"))
_BY_ADDRESS = _SELECT_SNAPSHOT.where(Mailbox.address == sa.bindparam("address"))
_BY_ID = _SELECT_MAILBOX.where(Mailbox.id == sa.bindparam("id"))
_ACQUIRE_LEASE = repository.TAKE_LEASE.where(repository.HAS_GRANT).returning(*_SELECT_MAILBOX.selected_columns)
_EXTEND_LEASE = repository.EXTEND_LEASE.where(~kill_switch.HALT_IS_ACTIVE)


@dataclass(frozen=True, kw_only=True)
class MailboxSnapshot:
    """What a task sees when it begins.

    Attributes:
        client: the row of ``grants.client_in_use``.
        some_open: see ``gmail.api_breaker``.
    """

    mailbox: MailboxRecord
    blockers: GlobalBlockers
    client: str | None
    any_breaker_open: bool


def load_by_address(connection: sa.Connection, address: str) -> MailboxSnapshot:
    """Return the first look at the mailbox with this address.

    Raises:
        UnknownMailboxError: if there is none.
    """
    row = connection.execute(_BY_ADDRESS, {"address": address.strip().lower()}).one_or_none()
    if row is None:
        raise UnknownMailboxError(address)
    mailbox, at = _to_mailbox_with_blockers(connection, row)
    return MailboxSnapshot(mailbox=mailbox, blockers=at, client=row.client, any_breaker_open=row.some_open)


def load_by_id(connection: sa.Connection, mailbox_id: int) -> MailboxWithBlockers:
    """Return the mailbox with this id."""
    return _to_mailbox_with_blockers(connection, connection.execute(_BY_ID, {"id": mailbox_id}).one())


def acquire_lease(
    connection: sa.Connection, mailbox_id: int, *, holder: str, seconds: int
) -> MailboxWithBlockers | None:
    """Take the mailbox for one task, so that it never has two calls in flight; None if another one holds it.

    A lease that its holder lost (killed, cut off) ends by itself after its seconds, by the database's clock.
    """
    held = {"mailbox": mailbox_id, "holder": holder, "seconds": seconds}
    row = connection.execute(_ACQUIRE_LEASE, held).one_or_none()
    return None if row is None else _to_mailbox_with_blockers(connection, row)


def extend_lease(connection: sa.Connection, mailbox: MailboxRecord, *, holder: str, seconds: int) -> None:
    """Hold the mailbox for longer, and lock its row until the transaction ends.

    Raises:
        StoppedError: everything was stopped.
        MailboxBusyError: another task may hold the mailbox now.
    """
    held = {"mailbox": mailbox.id, "holder": holder, "seconds": seconds}
    if connection.execute(_EXTEND_LEASE, held).rowcount == 1:
        return
    kill_switch.ensure_not_halted(connection)
    raise MailboxBusyError(f"{mailbox.address}: this task lost the mailbox to another one; nothing is sent.")


def _to_mailbox_with_blockers(connection: sa.Connection, row: sa.Row[Any]) -> MailboxWithBlockers:
    # What stands in the way is rare: it is asked for in words only where there is something.
    at = load_blockers(connection) if row.hindered else GlobalBlockers(now=row.now)
    return repository.to_record(row), at
