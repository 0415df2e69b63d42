"""How texts name an OAuth client: by its Connection, where a breaker or an incident has its client id as the key."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from gmail_warmup.db.models import ClientRegistration

GMAIL_API_PREFIX = "Gmail API of "
"""Precedes the client id in the key of the breaker of the Gmail API, which is separate from the token endpoint's."""

_SELECT_NAMES = sa.select(ClientRegistration.client_id, ClientRegistration.conn_id)


def load_client_names(connection: sa.Connection) -> dict[str, str]:
    """Return the Connection of each registered client, by client id."""
    return {client_id: conn_id for client_id, conn_id in connection.execute(_SELECT_NAMES)}


def get_client_id(key: str) -> str:
    """Return the client id of the key of a breaker or an incident; the key itself if it has another form."""
    return key.removeprefix(GMAIL_API_PREFIX)


def name_client(key: str, names: Mapping[str, str]) -> str:
    """Return a key with the Connection in place of the client id; the key itself if no Connection has it.

    Args:
        names: of ``load_client_names``.
    """
    client_id = get_client_id(key)
    return key.removesuffix(client_id) + names.get(client_id, client_id)
