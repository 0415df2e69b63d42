"""The OAuth clients of this installation: each is an Airflow Connection, and each grant belongs to one of them.

The Connection of the option ``client_conn_id`` is the default client, registered or not. Functions run in the caller's
transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.enums import ChangeAction, SubjectKind
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.core.text import pluralize, to_storable_text
from gmail_warmup.db.locks import DecisionLock, lock_decisions
from gmail_warmup.db.models import ClientRegistration as Row
from gmail_warmup.db.models import ClientUser, Mailbox, OAuthGrant
from gmail_warmup.mailboxes.change_log import Subject, record_change
from gmail_warmup.mailboxes.tags import normalize_tags

MAX_USER_LIMIT = 1_000_000
_SELECT_MAILBOX_CLIENTS = (
    sa.select(OAuthGrant.mailbox_id, Row.conn_id)
    .join(Row, Row.client_id == OAuthGrant.client_id)
    .where(OAuthGrant.mailbox_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.BigInteger))))
)


class ClientState(StrEnum):
    """Whether a client gets new grants."""

    OPEN = "open"
    """It gets new grants."""
    RETIRING = "retiring"
    """It gets no new grants; some mailboxes still use it."""
    RETIRED = "retired"
    """It gets no new grants, and no mailbox uses it: its Connection can be deleted."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """A registered client.

    Attributes:
        client_id: None for a default client that no process has read yet.
        user_limit: number of users that Google permits; None if there is no limit.
        users: number of mailboxes that have ever had a grant of this client, removed ones included.
        grants: number of mailboxes whose present grant is of this client.
    """

    conn_id: str
    client_id: str | None
    is_default: bool
    user_limit: int | None = None
    tags: tuple[str, ...] = ()
    retired_at: datetime | None = None
    users: int = 0
    grants: int = 0

    @property
    def state(self) -> ClientState:
        """Return whether it gets new grants."""
        if self.retired_at is None:
            return ClientState.OPEN
        return ClientState.RETIRING if self.grants else ClientState.RETIRED

    @property
    def places_left(self) -> int | None:
        """Return how many more users it may have; None if there is no limit.

        Google counts them over the life of the project: https://support.google.com/cloud/answer/7454865
        """
        return None if self.user_limit is None else max(0, self.user_limit - self.users)


class ClientChanges(TypedDict, total=False):
    """The values of a client that are set; one that is left out is kept."""

    user_limit: int | None
    """Number of users that Google permits; None if there is no limit."""
    tags: Collection[str]
    """Mailboxes with one of these tags get their next grant from this client."""


_COLUMNS: tuple[Any, ...] = (Row.conn_id, Row.client_id, Row.user_limit, Row.tags, Row.retired_at)


def list_clients(connection: sa.Connection, *, default: str) -> list[Client]:
    """Return all clients, the default first.

    Args:
        default: the Connection of the default client.
    """
    users = _count_by_client(connection, ClientUser.client_id)
    grants = _count_by_client(connection, OAuthGrant.client_id)
    rows = connection.execute(sa.select(*_COLUMNS).order_by(Row.conn_id != default, Row.conn_id)).all()
    clients = [
        Client(
            conn_id=row.conn_id,
            client_id=row.client_id,
            user_limit=row.user_limit,
            tags=tuple(row.tags),
            retired_at=row.retired_at,
            is_default=row.conn_id == default,
            users=users.get(row.client_id, 0),
            grants=grants.get(row.client_id, 0),
        )
        for row in rows
    ]
    if clients and clients[0].is_default:
        return clients
    return [Client(conn_id=default, client_id=None, is_default=True), *clients]


def get_client(connection: sa.Connection, conn_id: str, *, default: str) -> Client:
    """Return one client.

    Raises:
        InvalidInputError: if it is not registered.
    """
    clients = {client.conn_id: client for client in list_clients(connection, default=default)}
    if conn_id not in clients:
        names = ", ".join(clients)
        raise InvalidInputError(
            f"The OAuth client '{conn_id}' is not registered. Registered: {names}. Add it with: "
            f"gmail-warmup clients set {conn_id}"
        )
    return clients[conn_id]


def record_client_id(connection: sa.Connection, conn_id: str, client_id: str) -> None:
    """Record the client id that was read from a Connection, so that its grants are refreshed with it.

    Raises:
        ConfigurationError: if another Connection has the same client id.
    """
    other = connection.scalar(sa.select(Row.conn_id).where(Row.client_id == client_id, Row.conn_id != conn_id))
    if other is not None:
        raise ConfigurationError(
            f"The Connections '{other}' and '{conn_id}' have the same client id {client_id}. Every OAuth client has "
            "one Connection: correct the login of one of them."
        )
    statement = insert(Row).values(conn_id=conn_id, client_id=client_id)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[Row.conn_id], set_={"client_id": client_id}, where=Row.client_id != client_id
        )
    )


def set_client(
    connection: sa.Connection, conn_id: str, client_id: str, changes: ClientChanges, *, default: str, actor: str
) -> Client:
    """Register a client, or change its limit and tags; return it.

    Args:
        client_id: as the Connection has it.
        changes: a new client has no limit and no tags unless they are given.

    Raises:
        InvalidInputError: a value breaks a rule, or a tag belongs to another client.
        ConfigurationError: if another Connection has the same client id.
    """
    limit = changes.get("user_limit")
    if limit is not None and not 0 <= limit <= MAX_USER_LIMIT:
        raise InvalidInputError(f"user_limit must be between 0 and {MAX_USER_LIMIT:,} (it is {limit}), or none.")
    lock_decisions(connection, DecisionLock.CLIENT_TAGS)
    clients = list_clients(connection, default=default)
    before = next((_to_values(client) for client in clients if client.conn_id == conn_id), None)
    after: dict[str, Any] = {"user_limit": None, "tags": [], **(before or {}), **changes}
    after["tags"] = list(normalize_tags(after["tags"]))
    _require_free_tags(clients, conn_id, after["tags"])
    record_client_id(connection, conn_id, client_id)
    if given := {name: after[name] for name in changes}:  # another change of the others at the same time is kept
        connection.execute(sa.update(Row).where(Row.conn_id == conn_id).values(given))
    changed = [name for name in after if before is None or after[name] != before[name]]
    if changed:
        former = before and {name: before[name] for name in changed}
        now = {name: after[name] for name in changed}
        _record(connection, ChangeAction.CLIENT_SET, conn_id, actor, former, now)
    return get_client(connection, conn_id, default=default)


def set_retired(connection: sa.Connection, conn_id: str, *, retired: bool, default: str, actor: str) -> Client:
    """Give a client no further grants, or give it new ones again; return it.

    The mailboxes of a retired client keep their grants until they are moved.

    Raises:
        InvalidInputError: if it is not registered, or the default client would be retired.
    """
    lock_decisions(connection, DecisionLock.CLIENT_TAGS)  # of two at the same time, one finds nothing to do
    client = get_client(connection, conn_id, default=default)
    if client.is_default and retired:
        raise InvalidInputError(
            f"'{conn_id}' is the default OAuth client and cannot be retired. First make another one the default, with "
            "the option client_conn_id in section [gmail_warmup] of Airflow's configuration."
        )
    if retired != (client.retired_at is not None):
        retired_at = sa.func.now() if retired else None
        connection.execute(sa.update(Row).where(Row.conn_id == conn_id).values(retired_at=retired_at))
        action = ChangeAction.CLIENT_RETIRE if retired else ChangeAction.CLIENT_REOPEN
        _record(connection, action, conn_id, actor, None, {"grants": client.grants} if retired else None)
    return get_client(connection, conn_id, default=default)


def is_of_client(conn_id: str) -> sa.ColumnElement[bool]:
    """Return the condition that the grant of a mailbox is of the client of a Connection."""
    grants = sa.select(OAuthGrant.mailbox_id).join(Row, Row.client_id == OAuthGrant.client_id)
    return Mailbox.id.in_(grants.where(Row.conn_id == to_storable_text(conn_id)))


def load_mailbox_clients(connection: sa.Connection, mailbox_ids: Sequence[int]) -> dict[int, str]:
    """Return the Connection of the client of each grant, by mailbox; without grants whose client has no Connection."""
    rows = connection.execute(_SELECT_MAILBOX_CLIENTS, {"ids": list(mailbox_ids)})
    return {mailbox_id: conn_id for mailbox_id, conn_id in rows}


def describe_places(client: Client) -> str:
    """Return how many users a client has, and may have."""
    if client.user_limit is None:
        return f"{pluralize(client.users, 'user')}, no limit"
    return f"{client.users} of {pluralize(client.user_limit, 'user')}"


def _to_values(client: Client) -> dict[str, Any]:
    return {"user_limit": client.user_limit, "tags": list(client.tags)}


def _count_by_client(connection: sa.Connection, column: Any) -> dict[str, int]:
    query = sa.select(column, sa.func.count()).where(column.is_not(None)).group_by(column)
    return {client_id: int(count) for client_id, count in connection.execute(query)}


def _require_free_tags(clients: Sequence[Client], conn_id: str, tags: Collection[str]) -> None:
    for client in clients:
        taken = sorted(set(client.tags).intersection(tags))
        if client.conn_id != conn_id and taken:
            raise InvalidInputError(
                f"The tag '{taken[0]}' is assigned to the OAuth client '{client.conn_id}', and a tag has one client. "
                "Remove it there first."
            )


def _record(
    connection: sa.Connection,
    action: ChangeAction,
    conn_id: str,
    actor: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
) -> None:
    subject = Subject(kind=SubjectKind.CLIENT, name=conn_id)
    record_change(connection, action, actor=actor, subject=subject, before=before, after=after)
