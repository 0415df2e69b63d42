"""Rename a mailbox whose Google account has another primary address. Runs inside the caller's transaction.

Everything else refers to the mailbox by its number, so grant, ramp, history and health stay. An owner with the former
address gets the new one. The history of what was reported, such as the text of an alert or of an audit, keeps the
address of its time.
"""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.errors import InvalidInputError, MailboxBusyError, UnknownMailboxError
from gmail_warmup.db.locks import lock_mailboxes
from gmail_warmup.db.models import Consent, Mailbox
from gmail_warmup.mailboxes import lookup, removals
from gmail_warmup.mailboxes.addresses import get_identity, normalize_address
from gmail_warmup.mailboxes.change_log import Subject, record_change, record_mailbox_changes
from gmail_warmup.mailboxes.lookup import MailboxAddress


def rename_mailbox(connection: sa.Connection, address: str, new_address: str, *, actor: str) -> MailboxAddress:
    """Change the address of a mailbox everywhere it is stored; return it as it was.

    Raises:
        UnknownMailboxError: no mailbox has the old address.
        InvalidInputError: the new address is not one, belongs to another mailbox, or the mailbox is being removed.
        MailboxBusyError: a task uses the mailbox under its old address.
    """
    new = normalize_address(new_address)
    (before,) = lookup.require_mailboxes(connection, [address])
    locked = _lock_unused(connection, before)
    _require_free(connection, before, new)
    connection.execute(sa.update(Mailbox).where(Mailbox.id == before.id).values(address=new, next_send_at=None))
    connection.execute(sa.update(Consent).where(Consent.mailbox_id == before.id).values(address=new))
    record_change(
        connection,
        ChangeAction.MAILBOX_RENAME,
        actor=actor,
        subject=Subject.of_mailbox(before.id, new),
        before={"address": before.address},
        after={"address": new},
    )
    _change_owner(connection, locked, before.address, new, actor=actor)
    return before


def _lock_unused(connection: sa.Connection, mailbox: MailboxAddress) -> list[int]:
    """Lock the mailbox, so that no task begins to use it, and those that it owns; return the ids of all."""
    locked = lock_mailboxes(connection, sa.or_(Mailbox.id == mailbox.id, Mailbox.owner_email == mailbox.address))
    if mailbox.id not in locked:
        raise UnknownMailboxError(mailbox.address)
    removals.require_kept(connection, [mailbox.address])
    is_leased = sa.func.coalesce(Mailbox.lease_until > sa.func.now(), sa.false())
    if connection.scalar(sa.select(is_leased).where(Mailbox.id == mailbox.id)):
        raise MailboxBusyError(f"A task uses {mailbox.address}. Nothing was renamed; try again in a minute.")
    return locked


def _change_owner(connection: sa.Connection, mailbox_ids: list[int], former: str, new: str, *, actor: str) -> None:
    named, columns = lookup.has_id_in(mailbox_ids), ["owner_email"]
    with record_mailbox_changes(connection, named, columns, action=ChangeAction.MAILBOX_CHANGE, actor=actor):
        connection.execute(sa.update(Mailbox).where(named, Mailbox.owner_email == former).values(owner_email=new))


def _require_free(connection: sa.Connection, mailbox: MailboxAddress, new: str) -> None:
    if new == mailbox.address:
        raise InvalidInputError(f"{new} is the present address of the mailbox.")
    others = sa.select(Mailbox.address).where(Mailbox.identity == get_identity(new), Mailbox.id != mailbox.id)
    if other := connection.scalar(others.limit(1)):
        raise InvalidInputError(
            f"{lookup.describe_spelling(new, other) if other != new else f'{new} is another mailbox here.'} "
            "Nothing was renamed: remove one of the two mailboxes first."
        )
