"""Register an OAuth client by its Connection, for the API and the command."""

from __future__ import annotations

from collections.abc import Collection

from gmail_warmup.airflow.connections import load_oauth_client
from gmail_warmup.airflow.services import Services
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.oauth.clients import registry
from gmail_warmup.oauth.clients.registry import Client


def register_client(
    services: Services, conn_id: str, *, user_limit: int | None, tags: Collection[str], actor: str
) -> Client:
    """Register the client of a Connection, or change its limit and tags; return it.

    Args:
        user_limit: number of users that Google permits; None if there is no limit.
        tags: mailboxes with one of these tags get their next grant from this client.

    Raises:
        InvalidInputError: the Connection is missing or malformed, a value breaks a rule, or a tag or the client id
            belongs to another client.
    """
    try:
        client = load_oauth_client(services.settings, conn_id)
        with write_transaction(services.engine) as connection:
            return registry.set_client(
                connection,
                conn_id,
                client.client_id,
                user_limit=user_limit,
                tags=tags,
                default=services.settings.client_conn_id,
                actor=actor,
            )
    except ConfigurationError as error:
        raise InvalidInputError(str(error)) from None
