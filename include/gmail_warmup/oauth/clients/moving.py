"""Move mailboxes to another OAuth client, by a queue of consents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.models import ClientUser, Mailbox, MailboxAuth, OAuthGrant
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
        conn_id, places = self.target.conn_id, self.target.places_left
        if self.target.state is not ClientState.OPEN:
            return f"The OAuth client '{conn_id}' is {self.target.state}. Reopen it first."
        if not self.matching:
            return f"Every mailbox of this selection uses the OAuth client '{conn_id}', or none matches."
        if places is not None and self.new_users > places:
            return (
                f"The OAuth client '{conn_id}' has {describe_places(self.target)}, and "
                f"{pluralize(self.new_users, 'mailbox')} would be moved to it. Select fewer."
            )
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
    is_user = sa.exists().where(ClientUser.mailbox_id == Mailbox.id, ClientUser.client_id == target.client_id)
    # The time of the consent to an imported grant may be unknown.
    has_grant = sa.or_(OAuthGrant.granted_at.is_not(None), OAuthGrant.refresh_token.is_not(None))
    query = (
        sa.select(Mailbox.id, is_user.label("is_user"))
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(*conditions, Mailbox.auth == MailboxAuth.GRANT, has_grant)
        .where(OAuthGrant.client_id.is_distinct_from(target.client_id))
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
