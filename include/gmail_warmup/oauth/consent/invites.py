"""Invites: single-use links with which the owner of a mailbox consents without an Airflow login.

An invite is consumed in the transaction that writes the grant: an owner who cancels on Google's page, or signs in with
another account, can try again until it expires. Every function takes a connection inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction, InviteState
from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError, UnknownInviteError
from gmail_warmup.crypto.link_tokens import hash_link_token, make_link_token
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.models import Invite, Mailbox, MailboxAuth
from gmail_warmup.db.paging import IdPage, IdRange, fetch_id_page
from gmail_warmup.mailboxes import lookup, removals, repository
from gmail_warmup.mailboxes.change_log import Change, Subject, record_change, record_changes


class InviteClosedError(GmailWarmupError):
    """The invite is used, revoked or expired.

    Attributes:
        state: which of these.
    """

    def __init__(self, state: InviteState) -> None:
        self.state = state
        super().__init__(f"the invite is {state.value}")


@dataclass(frozen=True, kw_only=True)
class NewInvite:
    """A new invite with its token, which is not stored in plain text anywhere."""

    id: int
    address: str
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class InviteRecord:
    """A stored invite. Times have a time zone."""

    id: int
    address: str
    mailbox_id: int
    created_at: datetime
    created_by: str
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    state: InviteState


@dataclass(frozen=True, kw_only=True)
class InviteQuery:
    """Filters and position of a page of invites."""

    address: str = ""
    state: InviteState | None = None
    position: IdRange = field(default_factory=IdRange)


_IS_OPEN = (Invite.used_at.is_(None), Invite.revoked_at.is_(None), Invite.expires_at > sa.func.now())
_STATE = sa.case(
    (Invite.used_at.is_not(None), InviteState.USED.value),
    (Invite.revoked_at.is_not(None), InviteState.REVOKED.value),
    (Invite.expires_at <= sa.func.now(), InviteState.EXPIRED.value),
    else_=InviteState.OPEN.value,
)
_SELECT_INVITE = sa.select(
    Invite.id, Mailbox.address, Invite.mailbox_id, Invite.created_at, Invite.created_by, Invite.expires_at,
    Invite.used_at, Invite.revoked_at, Invite.revoked_by, _STATE.label("state"),
).join(Mailbox, Mailbox.id == Invite.mailbox_id)  # fmt: skip


def create_invites(connection: sa.Connection, addresses: Sequence[str], *, actor: str, days: int) -> list[NewInvite]:
    """Create one invite for each of these mailboxes, or none if one is invalid; duplicate addresses get one invite.

    Raises:
        UnknownMailboxError: if an address is not a mailbox.
        InvalidInputError: if a mailbox is accessed by a service account, or is being removed.
    """
    removals.require_kept(connection, addresses)
    mailboxes = repository.get_mailboxes(connection, addresses)
    delegated = [mailbox.address for mailbox in mailboxes if mailbox.auth is not MailboxAuth.GRANT]
    if delegated:
        raise InvalidInputError(f"{', '.join(delegated[:5])}: accessed by a service account; no consent is needed.")
    tokens = [make_link_token() for _ in mailboxes]
    rows = [
        {"token_hash": hash_link_token(token), "mailbox_id": mailbox.id, "created_by": actor}
        for token, mailbox in zip(tokens, mailboxes, strict=True)
    ]
    added = (
        sa.insert(Invite)
        .values(expires_at=sa.func.now() + make_interval(days * 86_400))
        .returning(Invite.id, Invite.expires_at, sort_by_parameter_order=True)
    )
    created = connection.execute(added, rows).all()
    record_changes(
        connection,
        (
            Change(
                action=ChangeAction.INVITE_CREATE,
                actor=actor,
                subject=Subject.of_mailbox(mailbox.id, mailbox.address),
                after={"invite_id": row.id, "expires_at": row.expires_at},
            )
            for row, mailbox in zip(created, mailboxes, strict=True)
        ),
    )
    return [
        NewInvite(id=row.id, address=mailbox.address, token=token, expires_at=row.expires_at)
        for row, mailbox, token in zip(created, mailboxes, tokens, strict=True)
    ]


def find_open_invite(connection: sa.Connection, token: str, *, lock: bool = False) -> InviteRecord | None:
    """Return the open invite with this token, or None.

    Args:
        lock: lock it until the transaction ends, so that concurrent calls count its consents one after another, and it
            is neither revoked nor removed with its mailbox meanwhile.
    """
    token_hash = hash_link_token(token)
    if token_hash is None:
        return None
    query = _SELECT_INVITE.where(Invite.token_hash == token_hash, Mailbox.auth == MailboxAuth.GRANT, *_IS_OPEN)
    if lock:
        query = query.with_for_update(of=Invite, key_share=True)
    row = connection.execute(query).one_or_none()
    return _to_invite_record(row) if row else None


def get_invite(connection: sa.Connection, invite_id: int) -> InviteRecord:
    """Return one invite.

    Raises:
        UnknownInviteError: if it does not exist.
    """
    row = connection.execute(_SELECT_INVITE.where(Invite.id == invite_id)).one_or_none()
    if row is None:
        raise UnknownInviteError(invite_id)
    return _to_invite_record(row)


def consume_invite(connection: sa.Connection, invite_id: int) -> InviteRecord:
    """Mark an invite as used. Of two concurrent calls, the second waits for the first and fails.

    Raises:
        InviteClosedError: if it is used, revoked or expired.
    """
    consumed = connection.execute(
        sa.update(Invite).where(Invite.id == invite_id, *_IS_OPEN).values(used_at=sa.func.now())
    ).rowcount
    invite = get_invite(connection, invite_id)
    if not consumed:
        raise InviteClosedError(invite.state)
    return invite


def revoke_invite(connection: sa.Connection, invite_id: int, *, actor: str) -> InviteRecord:
    """Revoke an invite and the consents that were started with it; a closed invite is not changed.

    Raises:
        UnknownInviteError: if it does not exist.
        InvalidInputError: if it was used, so that the mailbox already has the grant.
    """
    revoked = connection.execute(
        sa.update(Invite).where(Invite.id == invite_id, *_IS_OPEN).values(revoked_at=sa.func.now(), revoked_by=actor)
    ).rowcount
    invite = get_invite(connection, invite_id)
    if revoked:
        subject = Subject.of_mailbox(invite.mailbox_id, invite.address)
        before = {"invite_id": invite_id, "expires_at": invite.expires_at}
        record_change(connection, ChangeAction.INVITE_REVOKE, actor=actor, subject=subject, before=before)
    if invite.state is InviteState.USED:
        raise InvalidInputError(
            f"Invite {invite_id} was used: {invite.address} is connected. To stop using the mailbox, pause it."
        )
    return invite


def fetch_invite_page(connection: sa.Connection, query: InviteQuery) -> IdPage[InviteRecord]:
    """Return one page of invites, the newest first."""
    return fetch_id_page(connection, _apply_filters(query), Invite.id, query.position, _to_invite_record)


def _apply_filters(query: InviteQuery) -> sa.Select[Any]:
    statement = _SELECT_INVITE
    if query.address:
        statement = statement.where(Mailbox.identity == lookup.build_lookup(query.address)["identity"])
    if query.state is not None:
        statement = statement.where(_STATE == query.state.value)  # noqa: SIM300
    return statement


def _to_invite_record(row: sa.Row[Any]) -> InviteRecord:
    return InviteRecord(**(dict(row._mapping) | {"state": InviteState(row.state)}))
