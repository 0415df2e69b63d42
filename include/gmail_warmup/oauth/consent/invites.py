"""Invites: links with which the owner of one mailbox signs in at Google without an Airflow login.

The link's token has 256 random bits and is stored hashed, so that nobody who reads the table can follow a link. An
invite is used in the transaction that writes the grant: whoever cancels at Google, or signs in with another account,
may try again until it expires. Every function takes a connection inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import InviteState
from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError, UnknownInviteError
from gmail_warmup.db.clock import make_interval
from gmail_warmup.db.models import Invite, Mailbox, MailboxAuth
from gmail_warmup.mailboxes import repository

_TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}")


class InviteClosedError(GmailWarmupError):
    """An invite does not work any more.

    Attributes:
        state: why.
    """

    def __init__(self, state: InviteState) -> None:
        self.state = state
        super().__init__(f"the invite is {state.value}")


@dataclass(frozen=True, kw_only=True)
class NewInvite:
    """An invite just made; its token is known here alone, and once."""

    id: int
    address: str
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class InviteRecord:
    """An invite, without its token. Times are aware."""

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
    """Which invites to list. ``before`` and ``after`` are ids, the edges of the page that was left."""

    address: str = ""
    state: InviteState | None = None
    before: int | None = None
    after: int | None = None
    limit: int = 100


@dataclass(frozen=True, kw_only=True)
class InvitePage:
    """One page of invites, the newest first, and where the neighbouring ones begin."""

    rows: Sequence[InviteRecord]
    older_before: int | None
    newer_after: int | None


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
    """Make one invite for each of these mailboxes, for all or for none; an address named twice gets one.

    Raises:
        UnknownMailboxError: if an address is not a mailbox.
        InvalidInputError: if a mailbox is reached by a service account.
    """
    mailboxes = repository.get_mailboxes(connection, addresses)
    delegated = [mailbox.address for mailbox in mailboxes if mailbox.auth is not MailboxAuth.GRANT]
    if delegated:
        raise InvalidInputError(f"{', '.join(delegated[:5])}: reached by a service account; no consent is needed.")
    tokens = [secrets.token_urlsafe(32) for _ in mailboxes]
    rows = [
        {"token_hash": _hash_token(token), "mailbox_id": mailbox.id, "created_by": actor}
        for token, mailbox in zip(tokens, mailboxes, strict=True)
    ]
    added = (
        sa.insert(Invite)
        .values(expires_at=sa.func.now() + make_interval(days * 86_400))
        .returning(Invite.id, Invite.expires_at, sort_by_parameter_order=True)
    )
    return [
        NewInvite(id=row.id, address=mailbox.address, token=token, expires_at=row.expires_at)
        for row, mailbox, token in zip(connection.execute(added, rows), mailboxes, tokens, strict=True)
    ]


def find_open_invite(connection: sa.Connection, token: str) -> InviteRecord | None:
    """Return the invite that a link opens, or None if it opens none, for whatever cause."""
    if not _TOKEN_PATTERN.fullmatch(token):
        return None
    query = _SELECT_INVITE.where(Invite.token_hash == _hash_token(token), Mailbox.auth == MailboxAuth.GRANT, *_IS_OPEN)
    row = connection.execute(query).one_or_none()
    return _to_invite_record(row) if row else None


def get_invite(connection: sa.Connection, invite_id: int) -> InviteRecord:
    """Return one invite.

    Raises:
        UnknownInviteError: if there is none.
    """
    row = connection.execute(_SELECT_INVITE.where(Invite.id == invite_id)).one_or_none()
    if row is None:
        raise UnknownInviteError(invite_id)
    return _to_invite_record(row)


def consume_invite(connection: sa.Connection, invite_id: int) -> InviteRecord:
    """Use an invite up; of two at once, the second waits for the first and finds it used.

    Raises:
        InviteClosedError: if it does not work any more.
    """
    done = connection.execute(
        sa.update(Invite).where(Invite.id == invite_id, *_IS_OPEN).values(used_at=sa.func.now())
    ).rowcount
    found = get_invite(connection, invite_id)
    if not done:
        raise InviteClosedError(found.state)
    return found


def revoke_invite(connection: sa.Connection, invite_id: int, *, actor: str) -> InviteRecord:
    """Take an invite back, and with it every consent that runs on it; one that is over stays as it is.

    Raises:
        UnknownInviteError: if there is none.
        InvalidInputError: if it was used: its mailbox has the grant.
    """
    connection.execute(
        sa.update(Invite).where(Invite.id == invite_id, *_IS_OPEN).values(revoked_at=sa.func.now(), revoked_by=actor)
    )
    found = get_invite(connection, invite_id)
    if found.state is InviteState.USED:
        raise InvalidInputError(
            f"Invite {invite_id} was used: {found.address} is connected. To stop using the mailbox, pause it."
        )
    return found


def fetch_invite_page(connection: sa.Connection, wanted: InviteQuery) -> InvitePage:
    """Return one page of invites, the newest first."""
    query = _apply_filters(wanted)
    backwards = wanted.after is not None and wanted.before is None
    if backwards:
        query = query.where(Invite.id > wanted.after).order_by(Invite.id)
    else:
        query = query.where(Invite.id < wanted.before) if wanted.before is not None else query
        query = query.order_by(Invite.id.desc())
    found = [_to_invite_record(row) for row in connection.execute(query.limit(wanted.limit + 1))]
    more, rows = len(found) > wanted.limit, found[: wanted.limit]
    if backwards:
        rows.reverse()
    has_older, has_newer = (True, more) if backwards else (more, wanted.before is not None)
    return InvitePage(
        rows=rows,
        older_before=rows[-1].id if rows and has_older else None,
        newer_after=rows[0].id if rows and has_newer else None,
    )


def _apply_filters(wanted: InviteQuery) -> sa.Select[Any]:
    query = _SELECT_INVITE
    if wanted.address:
        query = query.where(Mailbox.address == wanted.address.strip().lower())
    if wanted.state is not None:
        query = query.where(_STATE == wanted.state.value)  # noqa: SIM300
    return query


def _to_invite_record(row: sa.Row[Any]) -> InviteRecord:
    return InviteRecord(**(dict(row._mapping) | {"state": InviteState(row.state)}))


def _hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
