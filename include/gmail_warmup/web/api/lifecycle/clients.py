"""OAuth clients: which there are, how many users they have, and moving mailboxes from one to another."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gmail_warmup.airflow.setup.oauth_clients import register_client
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.oauth.clients import moving, registry
from gmail_warmup.oauth.clients.registry import MAX_USER_LIMIT, ClientState
from gmail_warmup.web.api.repairs import RepairOut, start_consent
from gmail_warmup.web.api.schemas import Body
from gmail_warmup.web.api.selection import BulkFilter
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, OPERATE, UserName
from gmail_warmup.web.queries import filters

router = APIRouter(prefix="/clients", tags=["clients"])

ConnId = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]


class ClientOut(BaseModel):
    """An OAuth client, without its secrets."""

    model_config = ConfigDict(from_attributes=True)

    conn_id: str = Field(description="Id of its Airflow Connection.")
    client_id: str | None = Field(description="Null for a default client that no process has read yet.")
    is_default: bool
    state: ClientState
    user_limit: int | None = Field(description="Number of users that Google permits; null if there is no limit.")
    users: int = Field(description="Mailboxes that have ever had a grant of this client, removed ones included.")
    places_left: int | None = Field(description="Null if there is no limit.")
    grants: int = Field(description="Mailboxes whose present grant is of this client.")
    tags: list[str] = Field(description="Mailboxes with one of these tags get their next grant from this client.")
    retired_at: datetime | None


class ClientList(BaseModel):
    """All OAuth clients, the default one first."""

    clients: list[ClientOut]


class ClientIn(Body):
    """An OAuth client to register or to change."""

    conn_id: ConnId = Field(description="Id of an Airflow Connection of the type gmail_oauth_client.")
    user_limit: int | None = Field(None, ge=0, le=MAX_USER_LIMIT, description="Null if there is no limit.")
    tags: list[str] = Field([], max_length=100)


class ClientNameIn(Body):
    """A registered OAuth client."""

    conn_id: ConnId


class MoveIn(Body):
    """The client to move mailboxes to, and the mailboxes."""

    conn_id: ConnId
    filter: BulkFilter = Field(BulkFilter(), description="Of these, every mailbox whose grant is of another client.")


@router.get("")
def list_clients(context: CurrentContext) -> ClientList:
    """List the OAuth clients."""
    default = context.services.settings.client_conn_id
    with read_transaction(context.services.engine) as connection:
        found = registry.list_clients(connection, default=default)
    return ClientList(clients=[ClientOut.model_validate(client) for client in found])


@router.post("", dependencies=ADMINISTER)
def set_client(body: ClientIn, context: CurrentContext, user: UserName) -> ClientOut:
    """Register the client of a Connection, or replace its limit and tags."""
    client = register_client(context.services, body.conn_id, user_limit=body.user_limit, tags=body.tags, actor=user)
    return ClientOut.model_validate(client)


@router.post("/retire", dependencies=ADMINISTER)
def retire_client(body: ClientNameIn, context: CurrentContext, user: UserName) -> ClientOut:
    """Give a client no further grants. Its mailboxes keep theirs until they are moved."""
    default = context.services.settings.client_conn_id
    with write_transaction(context.services.engine) as connection:
        client = registry.retire_client(connection, body.conn_id, default=default, actor=user)
    return ClientOut.model_validate(client)


@router.post("/reopen", dependencies=ADMINISTER)
def reopen_client(body: ClientNameIn, context: CurrentContext, user: UserName) -> ClientOut:
    """Give a retired client new grants again."""
    default = context.services.settings.client_conn_id
    with write_transaction(context.services.engine) as connection:
        client = registry.reopen_client(connection, body.conn_id, default=default, actor=user)
    return ClientOut.model_validate(client)


@router.post("/move", dependencies=OPERATE)
def move_mailboxes(
    body: MoveIn, request: Request, response: Response, context: CurrentContext, user: UserName
) -> RepairOut:
    """Start a queue of consents that moves mailboxes to a client; it replaces the user's repair queue.

    After each consent, Google's page for the next mailbox follows. `repairs/sign-in` and `repairs/skip` continue it.
    """
    settings = context.services.settings
    conditions = filters.build_conditions(body.filter.to_filter(), expiring_days=settings.expiring_days)
    with write_transaction(context.services.engine) as connection:
        moving.start_move(connection, user, body.conn_id, conditions, default=settings.client_conn_id)
    return start_consent(request, response, context, user)
