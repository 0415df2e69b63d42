"""Whether each OAuth client works: its open breakers and incidents, and how many of its mailboxes need a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import FLAGGED_STATES
from gmail_warmup.db.models import Breaker, OAuthGrant
from gmail_warmup.oauth.clients.names import get_client_id
from gmail_warmup.oauth.clients.registry import Client, list_clients
from gmail_warmup.oauth.incidents import describe_incident, list_open_incidents
from gmail_warmup.oauth.reasons import REASONS, Reason


@dataclass(frozen=True, kw_only=True)
class OpenBreaker:
    """A circuit breaker that holds back the requests of a client.

    Attributes:
        key: the client id, after a prefix if the breaker is the one of the Gmail API.
    """

    key: str
    opened_at: datetime
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class ClientStatus:
    """A client, and what is wrong with it.

    Attributes:
        breaker: None if requests are sent.
        problems: one text per open incident, with the remedy.
        flagged: number of mailboxes whose present grant is of this client and needs a person.
    """

    client: Client
    breaker: OpenBreaker | None
    problems: Sequence[str]
    flagged: int


def load_client_statuses(connection: sa.Connection, *, default: str) -> list[ClientStatus]:
    """Return all clients, the default first.

    Args:
        default: the Connection of the default client.
    """
    breakers = {get_client_id(breaker.key): breaker for breaker in _load_open_breakers(connection)}
    incidents = [(get_client_id(row.key), describe_incident(row)) for row in list_open_incidents(connection)]
    flagged = _count_flagged(connection)
    return [
        ClientStatus(
            client=client,
            breaker=breakers.get(client.client_id or ""),
            # A client whose Connection no process could read has no other key than the Connection.
            problems=[text for key, text in incidents if key in (client.client_id, client.conn_id)],
            flagged=flagged.get(client.client_id or "", 0),
        )
        for client in list_clients(connection, default=default)
    ]


def _load_open_breakers(connection: sa.Connection) -> list[OpenBreaker]:
    query = sa.select(Breaker.client_id, Breaker.reason, Breaker.opened_at).where(Breaker.opened_at.is_not(None))
    return [
        OpenBreaker(key=row.client_id, opened_at=row.opened_at, reason=REASONS.look_up(row.reason, "unreachable"))
        for row in connection.execute(query.order_by(Breaker.client_id.desc()))
    ]


def _count_flagged(connection: sa.Connection) -> dict[str, int]:
    client_id: sa.ColumnElement[Any] = OAuthGrant.client_id.label("client_id")
    query = sa.select(client_id, sa.func.count().label("mailboxes")).where(
        OAuthGrant.client_id.is_not(None), OAuthGrant.state.in_(FLAGGED_STATES)
    )
    return {row.client_id: row.mailboxes for row in connection.execute(query.group_by(client_id))}
