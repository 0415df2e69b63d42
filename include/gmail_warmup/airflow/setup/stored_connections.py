"""Read and write Connections in Airflow's database, where ``gmail-warmup init`` creates them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from cryptography.fernet import InvalidToken

from gmail_warmup.core.errors import EncryptionKeyError

if TYPE_CHECKING:
    from airflow.models.connection import Connection
    from sqlalchemy.orm import Session


def require_readable(conn_id: str) -> None:
    """Read a Connection if it exists.

    Raises:
        EncryptionKeyError: if it is encrypted with another Fernet key.
    """
    read_login(conn_id)


def read_login(conn_id: str) -> tuple[str, str] | None:
    """Return login and password of a Connection; None if it does not exist or lacks one of them.

    Raises:
        EncryptionKeyError: if it is encrypted with another Fernet key.
    """
    from airflow.utils.session import create_session

    with create_session() as session:
        found = _find_connection(session, conn_id)
        return (found.login, found.password) if found and found.login and found.password else None


def save_connection(conn_id: str, values: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
    """Write a Connection, encrypted by Airflow.

    Args:
        conn_id: its id.
        values: its fields, without the extra.
        extra: entries of its extra. None removes an entry; other entries of an existing Connection are kept.
    """
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        connection = _find_connection(session, conn_id)
        if connection is None:
            connection = Connection(conn_id=conn_id)
            session.add(connection)
        merged = {**connection.extra_dejson, **extra}
        entries = {key: value for key, value in merged.items() if value is not None}
        for key, value in {**values, "extra": json.dumps(entries) if entries else None}.items():
            setattr(connection, key, value)


def _find_connection(session: Session, conn_id: str) -> Connection | None:
    """Return a stored Connection. Airflow decrypts it when it is loaded."""
    from airflow.models.connection import Connection

    try:
        return session.scalar(sa.select(Connection).where(Connection.conn_id == conn_id))
    except InvalidToken:
        raise EncryptionKeyError(
            f"AIRFLOW__CORE__FERNET_KEY does not decrypt the Airflow Connection '{conn_id}'; nothing was changed. "
            "Append the former key to the new one, separated by a comma, then run: airflow rotate-fernet-key"
        ) from None
