"""Repair queues: the mailboxes that a user signs in for, one consent after the other.

A user has one queue; starting another one replaces it. A mailbox counts as repaired when its grant works, however that
came about, so only what a person left behind is stored: skipped mailboxes and failed consents. A queue may move its
mailboxes to another OAuth client: then their grants have to be of that client as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import RepairOutcome
from gmail_warmup.core.errors import UnknownMailboxError
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.locks import DecisionLock, lock_decisions
from gmail_warmup.db.models import GrantState, Mailbox, OAuthGrant, Repair
from gmail_warmup.mailboxes import lookup, removals
from gmail_warmup.oauth.grant import CLIENT_CONN_ID

_SELECT_QUEUE = (
    sa.select(
        Mailbox.address,
        OAuthGrant.state,
        Repair.outcome,
        Repair.detail,
        Repair.client_conn_id.label("target"),
        CLIENT_CONN_ID.label("present"),
    )
    .join(Mailbox, Mailbox.id == Repair.mailbox_id)
    .join(OAuthGrant, OAuthGrant.mailbox_id == Repair.mailbox_id)
    .where(Repair.airflow_user == sa.bindparam("user"))
    .order_by(Repair.position)
)
MAX_QUEUE_LENGTH = 1000
"""Maximum number of mailboxes in a queue; those that are done do not match again, so another one takes the others."""


class RepairStatus(StrEnum):
    """The status of a mailbox in a queue."""

    WAITING = "waiting"
    REPAIRED = "repaired"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RepairItem:
    """A mailbox in a queue."""

    address: str
    status: RepairStatus
    detail: str
    """Why its consent failed; empty for another status."""


@dataclass(frozen=True, kw_only=True)
class RepairQueue:
    """The queue of a user, in its order."""

    items: Sequence[RepairItem] = ()
    target: str | None = None
    """The Connection of the OAuth client to which the mailboxes are moved; None if their grants are repaired only."""

    def count(self, status: RepairStatus) -> int:
        """Return the number of mailboxes with a status."""
        return sum(item.status is status for item in self.items)

    @property
    def next(self) -> str | None:
        """Return the address of the first mailbox that waits."""
        return next((item.address for item in self.items if item.status is RepairStatus.WAITING), None)

    @property
    def position(self) -> int:
        """Return the number of the next consent, for "3 of 7"."""
        return len(self.items) - self.count(RepairStatus.WAITING) + 1


def start_queue(connection: sa.Connection, user: str, mailbox_ids: Sequence[int], *, target: str | None = None) -> None:
    """Replace the queue of a user; of two at the same time, the later one counts.

    Mailboxes that are removed, or are being removed, are left out.

    Args:
        target: the Connection of the OAuth client to which the mailboxes are moved; None to repair their grants only.
    """
    lock_decisions(connection, DecisionLock.REPAIR_QUEUE)
    connection.execute(sa.delete(Repair).where(Repair.airflow_user == user))
    kept = set(removals.lock_kept(connection, lookup.has_id_in(mailbox_ids)))
    rows = [
        {"airflow_user": user, "mailbox_id": id_, "position": at, "client_conn_id": target}
        for at, id_ in enumerate(mailbox_ids, 1)
        if id_ in kept
    ]
    if rows:
        connection.execute(sa.insert(Repair), rows)


def load_queue(connection: sa.Connection, user: str) -> RepairQueue:
    """Return the queue of a user; empty if the user has no queue."""
    rows = connection.execute(_SELECT_QUEUE, {"user": user}).all()
    return RepairQueue(items=[_to_item(row) for row in rows], target=rows[0].target if rows else None)


def set_outcome(
    connection: sa.Connection, user: str, address: str, outcome: RepairOutcome, *, detail: str | None = None
) -> None:
    """Leave a mailbox of the queue behind.

    Raises:
        UnknownMailboxError: if the queue does not contain it.
    """
    mailbox_id = sa.select(Mailbox.id).where(Mailbox.identity == lookup.build_lookup(address)["identity"])
    update = sa.update(Repair).where(Repair.airflow_user == user, Repair.mailbox_id == mailbox_id.scalar_subquery())
    changed = connection.execute(update.values(outcome=outcome, detail=to_storable_text(detail) if detail else None))
    if not changed.rowcount:
        raise UnknownMailboxError(address)


def reopen_queue(connection: sa.Connection, user: str) -> None:
    """Let the skipped and failed mailboxes of a queue wait again."""
    connection.execute(sa.update(Repair).where(Repair.airflow_user == user).values(outcome=None, detail=None))


def attach_consent(connection: sa.Connection, user: str, mailbox_id: int, consent_id: int) -> None:
    """Record the consent that was started for a mailbox of the queue; the mailbox waits again."""
    update = sa.update(Repair).where(Repair.airflow_user == user, Repair.mailbox_id == mailbox_id)
    connection.execute(update.values(consent_id=consent_id, outcome=None, detail=None))


def find_target(connection: sa.Connection, user: str | None, mailbox_id: int) -> str | None:
    """Return the Connection of the OAuth client to which the queue of a user moves a mailbox; None if to none."""
    query = sa.select(Repair.client_conn_id).where(Repair.airflow_user == user, Repair.mailbox_id == mailbox_id)
    return connection.scalar(query)


def is_queued(connection: sa.Connection, consent_id: int | None) -> bool:
    """Return whether a consent was the last one that the queue started for its mailbox."""
    query = sa.select(Repair.mailbox_id).where(Repair.consent_id == consent_id)
    return consent_id is not None and connection.execute(query).one_or_none() is not None


def _to_item(row: Any) -> RepairItem:
    is_working = row.state in (GrantState.ACTIVE, GrantState.SUSPECT)
    is_moved = row.target is None or row.target == row.present
    status = RepairStatus.REPAIRED if is_working and is_moved else RepairStatus(row.outcome or RepairStatus.WAITING)
    return RepairItem(
        address=row.address, status=status, detail=row.detail or "" if status is RepairStatus.FAILED else ""
    )
