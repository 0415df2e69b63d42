"""Register, retire and reopen OAuth clients, for the API and the command."""

from __future__ import annotations

from gmail_warmup.airflow.connections import load_oauth_client
from gmail_warmup.airflow.services import Services
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.oauth.clients import registry
from gmail_warmup.oauth.clients.registry import Client, ClientChanges


def register_client(services: Services, conn_id: str, changes: ClientChanges, *, actor: str) -> Client:
    """Register the client of a Connection, or change its limit and tags; return it.

    Raises:
        InvalidInputError: the Connection is missing or malformed, a value breaks a rule, or a tag or the client id
            belongs to another client.
    """
    default = services.settings.client_conn_id
    try:
        client_id = load_oauth_client(services.settings, conn_id).client_id
        with write_transaction(services.engine) as connection:
            return registry.set_client(connection, conn_id, client_id, changes, default=default, actor=actor)
    except ConfigurationError as error:
        raise InvalidInputError(str(error)) from None


def set_client_retired(services: Services, conn_id: str, *, retired: bool, actor: str) -> Client:
    """Give a client no further grants, or give it new ones again; return it.

    Raises:
        InvalidInputError: if it is not registered, or the default client would be retired.
    """
    default = services.settings.client_conn_id
    with write_transaction(services.engine) as connection:
        return registry.set_retired(connection, conn_id, retired=retired, default=default, actor=actor)
