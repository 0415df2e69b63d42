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
from gmail_warmup.warmup.planning.eligibility import Circumstances, circumstances

Look = tuple[MailboxRecord, Circumstances]
"""A mailbox, and what holds for many at that moment."""

_MOMENT = (
    sa.func.now().label("now"),
    sa.or_(kill_switch.GOES_ON, Mailbox.domain.in_(GATED_DOMAINS)).label("hindered"),
)
_SEEN = repository.SELECT.add_columns(*_MOMENT)
_FIRST = _SEEN.add_columns(client_cache.COLUMN, api_breaker.SOME_OPEN.label("some_open"))
_BY_ADDRESS = _FIRST.where(Mailbox.address == sa.bindparam("address"))
_BY_ID = _SEEN.where(Mailbox.id == sa.bindparam("id"))
_TAKEN = repository.TAKE_LEASE.where(repository.OF_ITS_GRANT).returning(*_SEEN.selected_columns)
_KEPT = repository.KEEP_LEASE.where(~kill_switch.GOES_ON)


@dataclass(frozen=True, kw_only=True)
class First:
    """What a task sees when it begins.

    Attributes:
        client: the row of ``grants.client_in_use``.
        some_open: see ``gmail.api_breaker``.
    """

    mailbox: MailboxRecord
    at: Circumstances
    client: str | None
    some_open: bool


def by_address(connection: sa.Connection, address: str) -> First:
    """Return the first look at the mailbox with this address.

    Raises:
        UnknownMailboxError: if there is none.
    """
    row = connection.execute(_BY_ADDRESS, {"address": address.strip().lower()}).one_or_none()
    if row is None:
        raise UnknownMailboxError(address)
    mailbox, at = _look(connection, row)
    return First(mailbox=mailbox, at=at, client=row.client, some_open=row.some_open)


def by_id(connection: sa.Connection, mailbox_id: int) -> Look:
    """Return the mailbox with this id."""
    return _look(connection, connection.execute(_BY_ID, {"id": mailbox_id}).one())


def take(connection: sa.Connection, mailbox_id: int, *, holder: str, seconds: int) -> Look | None:
    """Take the mailbox for one task, so that it never has two calls in flight; None if another one holds it.

    A lease that its holder lost (killed, cut off) ends by itself after its seconds, by the database's clock.
    """
    held = {"mailbox": mailbox_id, "holder": holder, "seconds": seconds}
    row = connection.execute(_TAKEN, held).one_or_none()
    return None if row is None else _look(connection, row)


def keep(connection: sa.Connection, mailbox: MailboxRecord, *, holder: str, seconds: int) -> None:
    """Hold the mailbox for longer, and lock its row until the transaction ends.

    Raises:
        StoppedError: everything was stopped.
        MailboxBusyError: another task may hold the mailbox now.
    """
    held = {"mailbox": mailbox.id, "holder": holder, "seconds": seconds}
    if connection.execute(_KEPT, held).rowcount == 1:
        return
    kill_switch.check(connection)
    raise MailboxBusyError(f"{mailbox.address}: this task lost the mailbox to another one; nothing is sent.")


def _look(connection: sa.Connection, row: sa.Row[Any]) -> Look:
    # What stands in the way is rare: it is asked for in words only where there is something.
    at = circumstances(connection) if row.hindered else Circumstances(now=row.now)
    return repository.record(row), at
