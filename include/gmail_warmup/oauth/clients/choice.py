"""Choose the OAuth client that a mailbox gets its next grant from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db.models import ClientUser, MailboxTag, OAuthGrant
from gmail_warmup.oauth.clients.registry import Client, ClientState, describe_places, list_clients


def choose_client(
    connection: sa.Connection, *, default: str, mailbox_id: int | None = None, tags: Collection[str] | None = None
) -> Client:
    """Return the client for the next consent of a mailbox.

    That is the client of one of its tags. Without one: the client of its present grant, where it takes no new place;
    the default client; or another client without tags. A retired client gets no consent, a full one none of a new user.

    Args:
        default: the Connection of the default client.
        mailbox_id: None for a mailbox that does not exist yet.
        tags: the tags that it gets; None: those that it has.

    Raises:
        ConfigurationError: if no client has a place left.
    """
    present, known = None, set[str]()
    if mailbox_id is not None:
        if tags is None:
            tags = connection.scalars(sa.select(MailboxTag.tag).where(MailboxTag.mailbox_id == mailbox_id)).all()
        present = connection.scalar(sa.select(OAuthGrant.client_id).where(OAuthGrant.mailbox_id == mailbox_id))
        known = set(connection.scalars(sa.select(ClientUser.client_id).where(ClientUser.mailbox_id == mailbox_id)))
    clients = list_clients(connection, default=default)
    for client in _order_candidates(clients, present, tags or ()):
        if client.places_left != 0 or client.client_id in known:
            return client
    raise _build_full_error(clients)


def _order_candidates(clients: Sequence[Client], present: str | None, tags: Collection[str]) -> list[Client]:
    is_open = [client for client in clients if client.state is ClientState.OPEN]
    assigned = [client for client in is_open if set(client.tags).intersection(tags)]
    own = [client for client in is_open if present is not None and client.client_id == present]
    return assigned or [*own, *(client for client in is_open if client.is_default or not client.tags)]


def _build_full_error(clients: Sequence[Client]) -> ConfigurationError:
    texts = [f"{client.conn_id}: {describe_places(client)}, {client.state}" for client in clients]
    return ConfigurationError(
        f"No OAuth client has a place for another user ({'; '.join(texts)}). Let Google verify the app and remove its "
        "limit, or add another client: see docs/clients.md."
    )
