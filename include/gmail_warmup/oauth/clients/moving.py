"""Move mailboxes to another OAuth client, by a queue of consents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.models import ClientUser, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.mailboxes.removals import IS_BEING_REMOVED
from gmail_warmup.oauth.clients.registry import Client, ClientState, describe_places, get_client
from gmail_warmup.oauth.consent import repair_queue
from gmail_warmup.oauth.consent.repair_queue import MAX_QUEUE_LENGTH


@dataclass(frozen=True, kw_only=True)
class MovePlan:
    """The mailboxes of a selection that can be moved to a client.

    Attributes:
        matching: number of mailboxes of the selection whose grant is of another client.
        mailbox_ids: those that the queue takes, by address.
        new_users: number of these that take a place of the client.
    """

    target: Client
    matching: int
    mailbox_ids: Sequence[int] = field(repr=False)
    new_users: int

    @property
    def queued(self) -> int:
        """Return the number of mailboxes that the queue takes."""
        return len(self.mailbox_ids)

    @property
    def problem(self) -> str:
        """Return why they cannot be moved, with the remedy; empty if they can."""
        if obstacle := _find_obstacle(self.target, new_users=self.new_users):
            return obstacle
        if not self.matching:
            return f"Every mailbox of this selection uses the OAuth client '{self.target.conn_id}', or none matches."
        return ""

    @property
    def limit_note(self) -> str:
        """Return how to move those that the queue does not take; empty if it takes all."""
        if self.queued == self.matching:
            return ""
        return (
            f"{self.matching:,} mailboxes match, and a queue takes {MAX_QUEUE_LENGTH:,}. When it is done, start the "
            "same move again for the others."
        )


def plan_move(
    connection: sa.Connection, conn_id: str, conditions: Sequence[sa.ColumnElement[bool]], *, default: str
) -> MovePlan:
    """Return what a move of mailboxes to a client would do.

    Args:
        conn_id: the Connection of the client that they are moved to.
        conditions: of the mailboxes.
        default: the Connection of the default client.

    Raises:
        InvalidInputError: the client is not registered.
    """
    target = get_client(connection, conn_id, default=default)
    # The time of the consent to an imported grant may be unknown.
    has_grant = sa.or_(OAuthGrant.granted_at.is_not(None), OAuthGrant.refresh_token.is_not(None))
    query = (
        sa.select(Mailbox.id, _is_user(target).label("is_user"))
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(*conditions, Mailbox.auth == MailboxAuth.GRANT, has_grant)
        .where(OAuthGrant.client_id.is_distinct_from(target.client_id), ~IS_BEING_REMOVED)
        .order_by(Mailbox.address)
    )
    rows = connection.execute(query).all()
    queued = rows[:MAX_QUEUE_LENGTH]
    return MovePlan(
        target=target,
        matching=len(rows),
        mailbox_ids=[row.id for row in queued],
        new_users=sum(not row.is_user for row in queued),
    )


def start_move(
    connection: sa.Connection, user: str, conn_id: str, conditions: Sequence[sa.ColumnElement[bool]], *, default: str
) -> MovePlan:
    """Start a queue of consents of a user, one for each mailbox whose grant is of another client; see ``plan_move``.

    Raises:
        InvalidInputError: the client is not registered, gets no grants or has too few places, or there is no mailbox.
    """
    plan = plan_move(connection, conn_id, conditions, default=default)
    if plan.problem:
        raise InvalidInputError(plan.problem)
    repair_queue.start_queue(connection, user, plan.mailbox_ids, target=conn_id)
    return plan


def get_target(connection: sa.Connection, user: str | None, mailbox_id: int, *, default: str) -> str | None:
    """Return the Connection of the client to which the queue of a user moves a mailbox; None if to none.

    Args:
        default: the Connection of the default client.

    Raises:
        InvalidInputError: since the queue was started, the client was retired, or its last place was taken.
    """
    conn_id = repair_queue.find_target(connection, user, mailbox_id)
    if conn_id is None:
        return None
    target = get_client(connection, conn_id, default=default)
    is_user = connection.scalar(sa.select(_is_user(target)).where(Mailbox.id == mailbox_id))
    if obstacle := _find_obstacle(target, new_users=0 if is_user else 1):
        raise InvalidInputError(obstacle)
    return conn_id


def _is_user(target: Client) -> sa.ColumnElement[bool]:
    return sa.exists().where(ClientUser.mailbox_id == Mailbox.id, ClientUser.client_id == target.client_id)


def _find_obstacle(target: Client, *, new_users: int) -> str:
    """Return why a client does not get so many new users, with the remedy; empty if it does."""
    if target.state is not ClientState.OPEN:
        return f"The OAuth client '{target.conn_id}' is {target.state}. Reopen it first."
    if target.places_left is not None and new_users > target.places_left:
        return (
            f"The OAuth client '{target.conn_id}' has {describe_places(target)}, and "
            f"{pluralize(new_users, 'mailbox')} would be moved to it. Select fewer, or another client."
        )
    return ""
