"""Move mailboxes to another OAuth client, by a queue of consents."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.models import ClientUser, Mailbox, MailboxAuth, OAuthGrant
from gmail_warmup.oauth.clients.registry import ClientState, describe_places, get_client
from gmail_warmup.oauth.consent import repair_queue


def start_move(
    connection: sa.Connection, user: str, conn_id: str, conditions: Sequence[sa.ColumnElement[bool]], *, default: str
) -> None:
    """Start a queue of consents of a user, one for each mailbox whose grant is of another client.

    Args:
        conn_id: the Connection of the client that they are moved to.
        conditions: of the mailboxes.
        default: the Connection of the default client.

    Raises:
        InvalidInputError: the client is not registered, gets no grants or has too few places, or there is no mailbox.
    """
    target = get_client(connection, conn_id, default=default)
    if target.state is not ClientState.OPEN:
        raise InvalidInputError(f"The OAuth client '{conn_id}' is {target.state}. Reopen it first.")
    is_user = sa.exists().where(ClientUser.mailbox_id == Mailbox.id, ClientUser.client_id == target.client_id)
    # The time of the consent to an imported grant may be unknown.
    has_grant = sa.or_(OAuthGrant.granted_at.is_not(None), OAuthGrant.refresh_token.is_not(None))
    query = (
        sa.select(Mailbox.id, is_user.label("is_user"))
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .where(*conditions, Mailbox.auth == MailboxAuth.GRANT, has_grant)
        .where(OAuthGrant.client_id.is_distinct_from(target.client_id))
        .order_by(Mailbox.address)
        .limit(repair_queue.MAX_QUEUE_LENGTH)
    )
    rows = connection.execute(query).all()
    if not rows:
        raise InvalidInputError(f"Every mailbox of this selection uses the OAuth client '{conn_id}', or none matches.")
    new = sum(not row.is_user for row in rows)
    if target.places_left is not None and new > target.places_left:
        raise InvalidInputError(
            f"The OAuth client '{conn_id}' has {describe_places(target)}, and {pluralize(new, 'mailbox')} would be "
            "moved to it. Select fewer."
        )
    repair_queue.start_queue(connection, user, [row.id for row in rows], target=conn_id)
