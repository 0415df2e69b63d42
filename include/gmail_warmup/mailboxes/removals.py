"""Removals of mailboxes: request them, read their state, store their progress.

From its request on, a mailbox is paused and nothing about it can be changed, its invites are revoked, it leaves the
repair queues, and no consent for it starts. ``require_kept`` and ``lock_kept`` are that rule: every change by a person,
and every row that a person adds to a mailbox, begins with one of them. Both lock the mailbox, so that a removal that is
requested meanwhile waits, and then also removes what was written. Every function runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.locks import lock_mailboxes
from gmail_warmup.db.models import Invite, Mailbox, MailboxRemoval, RemovalStep, Repair
from gmail_warmup.db.rows import convert_rows
from gmail_warmup.mailboxes import lookup
from gmail_warmup.mailboxes.addresses import to_stored_address
from gmail_warmup.mailboxes.change_log import Change, Subject, record_changes
from gmail_warmup.mailboxes.lookup import MailboxAddress

DONE = "done"
"""The outcome of a step that was finished."""

_R = MailboxRemoval
IS_BEING_REMOVED = sa.exists().where(_R.mailbox_id == Mailbox.id, _R.finished_at.is_(None))
"""The condition of the mailboxes whose removal is in progress; a statement that locks them does not see a new one."""


class MailboxBeingRemovedError(InvalidInputError):
    """A mailbox is being removed, so it cannot be changed."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} is being removed. It cannot be changed; wait until it is gone ('gmail-warmup mailboxes "
            "removals' shows it), then it can be added again."
        )


def require_confirmation(addresses: Sequence[str], typed: str) -> None:
    """Check what a person typed to confirm that these mailboxes are meant: the address, or the number of several.

    Raises:
        InvalidInputError: it is something else, or there is no mailbox.
    """
    if not addresses:
        raise InvalidInputError("No mailbox is selected. Nothing was changed.")
    expected = addresses[0] if len(addresses) == 1 else str(len(addresses))
    if to_stored_address(typed) != expected:
        what = "the address" if len(addresses) == 1 else "the number of mailboxes"
        raise InvalidInputError(f"The confirmation is not {what}, {expected}. Nothing was changed.")


@dataclass(frozen=True, kw_only=True)
class Removal:
    """The state of a removal; ``address`` is None once the mailbox is gone."""

    id: int
    address: str | None
    mailbox_id: int
    requested_at: datetime
    requested_by: str
    revoke_grant: bool
    trash_mail: bool
    step: RemovalStep
    problem: str | None
    next_try_at: datetime
    trashed: int
    trashed_until: int
    trash_outcome: str | None
    revoke_outcome: str | None
    receipt: dict[str, dict[str, int]]
    finished_at: datetime | None

    @property
    def is_done(self) -> bool:
        """Return whether nothing is stored about the mailbox any more."""
        return self.step is RemovalStep.DONE


_SELECT = sa.select(
    *(Mailbox.address if field.name == "address" else getattr(_R, field.name) for field in fields(Removal))
).outerjoin(Mailbox, sa.and_(Mailbox.id == _R.mailbox_id, _R.finished_at.is_(None)))


def _to_removal(row: sa.Row[Any]) -> Removal:
    receipt = row.receipt if isinstance(row.receipt, dict) else {}
    counts = {kind: tables for kind, tables in receipt.items() if isinstance(tables, dict)}
    return Removal(**(dict(row._mapping) | {"step": RemovalStep(row.step), "receipt": counts}))


def request_removals(
    connection: sa.Connection, addresses: Sequence[str], *, revoke_grant: bool, trash_mail: bool, actor: str
) -> list[int]:
    """Begin to remove mailboxes; return the ids of the removals. One in progress does also what is chosen now.

    Raises:
        UnknownMailboxError: with every address of no mailbox; nothing was changed then.
        InvalidInputError: a removal in progress has passed the step that is chosen now; nothing was changed then.
    """
    named = lookup.require_mailboxes(connection, addresses)
    ids = lock_mailboxes(connection, lookup.has_id_in([mailbox.id for mailbox in named]))
    chosen = {"revoke_grant": revoke_grant, "trash_mail": trash_mail}
    rows = [chosen | {"requested_by": actor, "mailbox_id": mailbox_id} for mailbox_id in ids]
    begun = set(connection.scalars(insert(_R).values(rows).on_conflict_do_nothing().returning(_R.mailbox_id)))
    changed = begun | _extend_removals(connection, ids, chosen)
    record_changes(connection, (_to_change(mailbox, actor, chosen) for mailbox in named if mailbox.id in changed))
    connection.execute(
        sa.update(Mailbox)
        .where(lookup.has_id_in(ids))
        .values(
            paused_at=sa.func.coalesce(Mailbox.paused_at, sa.func.now()),
            paused_by=actor,
            pause_reason="it is being removed",
            paused_until=None,
        )
    )
    has_id = sa.any_(sa.literal(ids, ARRAY(sa.BigInteger())))
    is_open = (Invite.mailbox_id == has_id, Invite.used_at.is_(None), Invite.revoked_at.is_(None))
    connection.execute(sa.update(Invite).where(*is_open).values(revoked_at=sa.func.now(), revoked_by=actor))
    connection.execute(sa.delete(Repair).where(Repair.mailbox_id == has_id))
    query = sa.select(_R.id).where(_R.mailbox_id == has_id, _R.finished_at.is_(None)).order_by(_R.id)
    return list(connection.scalars(query))


def _extend_removals(connection: sa.Connection, mailbox_ids: Sequence[int], chosen: Mapping[str, bool]) -> set[int]:
    """Add what is chosen to the removals in progress that lack it; return the ids of their mailboxes.

    Raises:
        InvalidInputError: naming the first of them that already deletes rows.
    """
    lacks_choice = sa.or_(sa.false(), *(~getattr(_R, name) for name, is_chosen in chosen.items() if is_chosen))
    has_id = _R.mailbox_id == sa.any_(sa.literal(list(mailbox_ids), ARRAY(sa.BigInteger())))
    is_lacking = (has_id, _R.finished_at.is_(None), lacks_choice)
    values = {name: sa.or_(getattr(_R, name), sa.literal(is_chosen)) for name, is_chosen in chosen.items()}
    # Mail is moved before the grant is revoked.
    step = sa.case((_R.trash_mail, _R.step), else_=RemovalStep.TRASH.value) if chosen["trash_mail"] else _R.step
    extend = sa.update(_R).where(*is_lacking, _R.step != RemovalStep.ERASE)
    extended = connection.scalars(
        extend.values(**values, step=step, next_try_at=sa.func.now()).returning(_R.mailbox_id)
    ).all()
    if late := connection.execute(_SELECT.where(*is_lacking).order_by(_R.id).limit(1)).one_or_none():
        raise InvalidInputError(
            f"Removal {late.id} of {late.address} already deletes the data and does nothing more at Google. "
            f"Nothing was changed; it continues as {late.requested_by} requested it."
        )
    return set(extended)


def _to_change(mailbox: MailboxAddress, actor: str, chosen: Mapping[str, bool]) -> Change:
    subject = Subject.of_mailbox(mailbox.id, mailbox.address)
    return Change(action=ChangeAction.MAILBOX_REMOVE, actor=actor, subject=subject, after=chosen)


def require_kept(connection: sa.Connection, addresses: Iterable[str]) -> None:
    """Lock mailboxes, and refuse those that are being removed; addresses of no mailbox are accepted.

    Raises:
        MailboxBeingRemovedError: naming the first of them.
    """
    named = [mailbox for mailbox in lookup.find_by_address(connection, addresses).values() if mailbox]
    lock_mailboxes(connection, lookup.has_id_in(mailbox.id for mailbox in named))
    if removed := find_removed(connection, [mailbox.address for mailbox in named]):
        raise MailboxBeingRemovedError(removed[0])


def lock_kept(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[int]:
    """Lock the mailboxes that meet the conditions; return the ids of those that are not being removed."""
    ids = lock_mailboxes(connection, *conditions)
    return list(connection.scalars(sa.select(Mailbox.id).where(lookup.has_id_in(ids), ~IS_BEING_REMOVED)))


def find_removed(connection: sa.Connection, addresses: Iterable[str]) -> list[str]:
    """Return those stored addresses, sorted, whose mailbox is being removed."""
    query = sa.select(Mailbox.address).where(lookup.has_address_in(addresses), IS_BEING_REMOVED)
    return list(connection.scalars(query.order_by(Mailbox.address)))


def get_removal(connection: sa.Connection, removal_id: int) -> Removal:
    """Return one removal.

    Raises:
        InvalidInputError: no removal has this number.
    """
    row = connection.execute(_SELECT.where(_R.id == removal_id)).one_or_none()
    if row is None:
        raise InvalidInputError(
            f"There is no removal {removal_id}. 'gmail-warmup mailboxes removals' shows those that there are."
        )
    return _to_removal(row)


def get_removals(connection: sa.Connection, ids: Sequence[int]) -> list[Removal]:
    """Return removals by their numbers, in the order of the numbers."""
    query = _SELECT.where(_R.id == sa.any_(sa.literal(list(ids), ARRAY(sa.BigInteger())))).order_by(_R.id)
    return convert_rows(connection.execute(query), _to_removal, table=_R.__tablename__)


def list_removals(connection: sa.Connection, *, limit: int = 100) -> list[Removal]:
    """Return the latest removals: those in progress first, then the receipts, newest first."""
    query = _SELECT.order_by(_R.finished_at.is_not(None), _R.finished_at.desc(), _R.id.desc()).limit(limit)
    return convert_rows(connection.execute(query), _to_removal, table=_R.__tablename__)


def find_due(connection: sa.Connection) -> list[int]:
    """Return the ids of the removals in progress whose next attempt is due, oldest first."""
    due = (_R.finished_at.is_(None), _R.next_try_at <= sa.func.now())
    return list(connection.scalars(sa.select(_R.id).where(*due).order_by(_R.id)))


def store_progress(connection: sa.Connection, removal_id: int, **values: Any) -> None:
    """Store columns of a removal in progress."""
    is_open = (_R.id == removal_id, _R.finished_at.is_(None))
    connection.execute(sa.update(_R).where(*is_open).values(values))


def store_step(connection: sa.Connection, removal: Removal, **values: Any) -> None:
    """Store the end of a step of a removal, unless more was requested of it since it was read."""
    is_same = (getattr(_R, name) == getattr(removal, name) for name in ("id", "step", "revoke_grant", "trash_mail"))
    connection.execute(sa.update(_R).where(*is_same).values(values))


def store_problem(connection: sa.Connection, removal_id: int, code: str, *, retry_after: float) -> None:
    """Store why a removal could not continue, and when it is tried again (in seconds)."""
    store_progress(connection, removal_id, problem=code, next_try_at=sa.func.now() + make_interval(retry_after))


_ERASE = sa.text("SELECT gmail_warmup.erase_mailbox(:removal, :at_once)")
_BATCH_SIZE = 5_000


def erase_batch(connection: sa.Connection, removal_id: int) -> bool:
    """Delete the next rows about the mailbox; return whether nothing is left. The caller holds its lease."""
    return bool(connection.scalar(_ERASE, {"removal": removal_id, "at_once": _BATCH_SIZE}))


def build_lease_holder(removal_id: int, run: str) -> str:
    """Return the name under which a run of a removal leases the mailbox; the database checks it."""
    return f"removal:{removal_id}:{run}"
