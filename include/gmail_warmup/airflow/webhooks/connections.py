"""Read the receivers of webhooks from Airflow Connections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gmail_warmup.airflow.connections import find_connection, parse_extra
from gmail_warmup.alerts.webhooks.receivers import Receiver, UnusableReceiver, build_receiver, malformed_error
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.core.settings import Settings
from gmail_warmup.core.text import shorten_text

if TYPE_CHECKING:
    from airflow.sdk import Connection

CONN_TYPE = "gmail_webhook"
_CONN_TYPES = (CONN_TYPE, "http", "https")


def load_receivers(settings: Settings) -> list[Receiver | UnusableReceiver]:
    """Return every receiver of the settings; one with a missing or malformed Connection stops no other one."""
    return [_try_load(conn_id, settings) for conn_id in settings.webhook_receivers]


def _try_load(conn_id: str, settings: Settings) -> Receiver | UnusableReceiver:
    try:
        return load_receiver(conn_id, settings)
    except ConfigurationError as error:
        return UnusableReceiver(conn_id=conn_id, problem=str(error))


def load_listed_receiver(conn_id: str, settings: Settings) -> Receiver:
    """Return a receiver that a person named.

    Raises:
        InvalidInputError: if the settings do not list it, or its Connection is missing or malformed.
    """
    if conn_id not in settings.webhook_receivers:
        raise InvalidInputError(
            f"'{shorten_text(conn_id)}' is not a receiver of webhooks. List it in "
            "AIRFLOW__GMAIL_WARMUP__WEBHOOK_CONN_IDS."
        )
    try:
        return load_receiver(conn_id, settings)
    except ConfigurationError as error:
        raise InvalidInputError(str(error)) from None


def load_receiver(conn_id: str, settings: Settings) -> Receiver:
    """Return one receiver.

    Raises:
        ConfigurationError: if its Connection is missing or malformed; the message contains neither URL nor secret.
    """
    found = find_connection(conn_id)
    if found is None:
        raise malformed_error(conn_id, f"it is missing. Create it with the type {CONN_TYPE}; see docs/webhooks.md.")
    if found.conn_type not in _CONN_TYPES:
        raise malformed_error(conn_id, f"its type is '{found.conn_type}'. Set it to {CONN_TYPE}.")
    return build_receiver(
        conn_id,
        url=_read_url(found),
        signing_secrets=str(found.password or "").split(),
        events=_read_events(conn_id, parse_extra(found).get("events")),
        allow_private=settings.webhook_private_addresses,
    )


def _read_url(connection: Connection) -> str:
    """Return the URL: the host, or for the fields of the type http, its parts."""
    host = str(connection.host or "").strip()
    if not host or "://" in host:
        return host
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'https'}://{host}{port}"


def _read_events(conn_id: str, value: Any) -> Iterable[str] | None:
    """Return the events of the extra: a list, or a text with commas; None if there is no such entry."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list):
        return [str(part) for part in value]
    raise malformed_error(conn_id, "'events' in its extra is not a list.")
