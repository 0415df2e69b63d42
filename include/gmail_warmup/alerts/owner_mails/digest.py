"""Claim one mail to an owner with all mailboxes that it is about, and store its outcome.

A claim creates the links and sets the time of the next attempt before the mail is sent. So a process that ends while it
sends causes one more mail after ``schedule.compute_retry``, and not one in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from gmail_warmup.alerts.owner_mails import schedule
from gmail_warmup.core.enums import FLAGGED_STATES, ChangeAction
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.clock import get_current_time
from gmail_warmup.db.locks import DecisionLock, lock_decisions
from gmail_warmup.db.models import ChangeLogEntry, GrantState, Mailbox, MailboxAuth, OAuthGrant, OwnerMail
from gmail_warmup.mailboxes.addresses import get_identity, get_recipient_identity
from gmail_warmup.mailboxes.change_log import Subject, record_change
from gmail_warmup.oauth.consent import invites
from gmail_warmup.oauth.reasons import NEVER_GRANTED

ACTOR = "mail to the owner"
"""The author of the invites."""
_IS_CURRENT = sa.and_(OwnerMail.flagged_at == OAuthGrant.state_since, OwnerMail.owner_email == Mailbox.owner_email)
"""The stored mails are about the present state of the grant, and went to the present owner."""
_SELECT_FLAGGED = (
    sa.select(
        Mailbox.id, Mailbox.address, Mailbox.owner_email, OAuthGrant.reason, OAuthGrant.state_since,
        *(sa.case((_IS_CURRENT, column)).label(column.key)
          for column in (OwnerMail.mails, OwnerMail.attempts, OwnerMail.first_sent_at, OwnerMail.next_at)),
    )
    .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
    .outerjoin(OwnerMail, OwnerMail.mailbox_id == Mailbox.id)
    .where(
        Mailbox.auth == MailboxAuth.GRANT,
        Mailbox.owner_email.is_not(None),
        Mailbox.paused_at.is_(None),
        OAuthGrant.state == GrantState.NEEDS_REAUTH,
        OAuthGrant.reason.is_distinct_from(NEVER_GRANTED),
        sa.or_(_IS_CURRENT.is_not(True), OwnerMail.mails < schedule.MAX_MAILS),
    )
    .order_by(Mailbox.address)
)  # fmt: skip
"""The mailboxes whose owners still get mails, with what was mailed since they were flagged."""


@dataclass(frozen=True, kw_only=True)
class DigestItem:
    """A mailbox that a mail is about, with the token of its new invite."""

    mailbox_id: int
    address: str
    reason: str | None
    flagged_at: datetime
    mails: int
    first_sent_at: datetime | None
    invite_id: int
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Digest:
    """One mail to an owner, which has been claimed."""

    owner: str
    items: Sequence[DigestItem]


def list_due_owners(connection: sa.Connection) -> list[str]:
    """Return the owners for whom a mail is due, by address."""
    now = get_current_time(connection)
    return sorted({row.owner_email for row in connection.execute(_SELECT_FLAGGED) if _is_due(row, now)})


def claim_digest(connection: sa.Connection, owner: str, *, invite_days: int) -> Digest | None:
    """Claim the mail to an owner, or return None if none is due, or the owner may get none now."""
    lock_decisions(connection, DecisionLock.OWNER_MAIL)
    now = get_current_time(connection)
    rows = connection.execute(_SELECT_FLAGGED.where(Mailbox.owner_email == owner)).all()
    if not any(_is_due(row, now) for row in rows) or not _may_be_mailed(connection, owner, now):
        return None
    included = [row for row in rows if _is_due(row, now + schedule.LOOKAHEAD)]
    created = invites.create_invites(connection, [row.address for row in included], actor=ACTOR, days=invite_days)
    invite_of = {invite.address: invite for invite in created}
    for row in included:
        _store_attempt(connection, row, now)
    items = [_to_item(row, invite_of[row.address]) for row in included]
    return Digest(owner=owner, items=items)


def record_sent(connection: sa.Connection, digest: Digest) -> None:
    """Store that a mail was sent, and when the next one is due."""
    now = get_current_time(connection)
    for item in digest.items:
        mails, first_sent_at = item.mails + 1, item.first_sent_at or now
        next_at = schedule.compute_next(mails, first_sent_at=first_sent_at, sent_at=now)
        values = {
            "mails": mails, "attempts": 0, "first_sent_at": first_sent_at, "sent_at": now, "next_at": next_at,
        }  # fmt: skip
        is_claimed = (OwnerMail.mailbox_id == item.mailbox_id, OwnerMail.flagged_at == item.flagged_at)
        connection.execute(sa.update(OwnerMail).where(*is_claimed).values(values))
        record_change(
            connection,
            ChangeAction.OWNER_MAIL,
            actor=ACTOR,
            subject=Subject.of_mailbox(item.mailbox_id, item.address),
            after={"owner_email": digest.owner, "invite_id": item.invite_id},
        )


def revoke_links(connection: sa.Connection, digest: Digest) -> None:
    """Revoke the open links of a mail that was not sent; it is tried again with new ones.

    A link that was used meanwhile, because the mail arrived in spite of an error, or that was removed with its mailbox
    needs no revocation.
    """
    for item in digest.items:
        with suppress(InvalidInputError):
            invites.revoke_invite(connection, item.invite_id, actor="mail not sent")


def _is_due(row: sa.Row[Any], now: datetime) -> bool:
    return row.next_at is None or row.next_at <= now


def _may_be_mailed(connection: sa.Connection, owner: str, now: datetime) -> bool:
    """Return whether an owner had no mail lately, and the mail does not arrive in a mailbox that needs a person."""
    sent_at = connection.scalar(sa.select(sa.func.max(OwnerMail.sent_at)).where(OwnerMail.owner_email == owner))
    if sent_at is not None and sent_at + schedule.OWNER_GAP > now:
        return False
    is_flagged = (
        sa.select(Mailbox.id)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(sa.or_(_receives(owner), _received(owner)), OAuthGrant.state.in_(FLAGGED_STATES))
    )
    return connection.scalar(is_flagged.limit(1)) is None


def _receives(address: str) -> sa.ColumnElement[bool]:
    return Mailbox.identity.in_({get_identity(address), get_recipient_identity(address)})


def _received(address: str) -> sa.ColumnElement[bool]:
    """Return the condition that a mailbox had an address before it was renamed: Google keeps that as an alias."""
    return sa.exists().where(
        ChangeLogEntry.mailbox_id == Mailbox.id,
        ChangeLogEntry.action == ChangeAction.MAILBOX_RENAME.value,
        ChangeLogEntry.before["address"].astext == address,
    )


def _store_attempt(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> None:
    attempts = (row.attempts or 0) + 1
    values = {
        "owner_email": row.owner_email, "flagged_at": row.state_since, "mails": row.mails or 0, "attempts": attempts,
        "first_sent_at": row.first_sent_at, "next_at": now + schedule.compute_retry(attempts),
    }  # fmt: skip
    other_owner = OwnerMail.owner_email != row.owner_email
    sent_at = sa.case((other_owner, sa.null()), else_=OwnerMail.sent_at)
    statement = insert(OwnerMail).values(mailbox_id=row.id, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["mailbox_id"], set_=values | {"sent_at": sent_at})
    )


def _to_item(row: sa.Row[Any], invite: invites.NewInvite) -> DigestItem:
    return DigestItem(
        mailbox_id=row.id,
        address=row.address,
        reason=row.reason,
        flagged_at=row.state_since,
        mails=row.mails or 0,
        first_sent_at=row.first_sent_at,
        invite_id=invite.id,
        token=invite.token,
    )
