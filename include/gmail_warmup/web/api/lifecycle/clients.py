"""OAuth clients: which there are, how many users they have, and moving mailboxes from one to another."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self, cast

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from gmail_warmup.airflow.services import Services
from gmail_warmup.airflow.setup import oauth_clients
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.mailboxes.tags import MAX_TAGS
from gmail_warmup.mailboxes.validation import WHOLE_NUMBER
from gmail_warmup.oauth.clients import moving
from gmail_warmup.oauth.clients.moving import MovePlan
from gmail_warmup.oauth.clients.registry import MAX_USER_LIMIT, ClientChanges, ClientState
from gmail_warmup.oauth.clients.status import ClientStatus, OpenBreaker, load_client_statuses
from gmail_warmup.web.api.repairs import NewQueueOut, start_first_consent
from gmail_warmup.web.api.schemas import Body
from gmail_warmup.web.api.selection import BulkFilter, FilterIn
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, OPERATE, UserName
from gmail_warmup.web.queries import filters
from gmail_warmup.web.text_limits import MAX_CONN_ID_LENGTH

router = APIRouter(prefix="/clients", tags=["clients"])

ConnId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONN_ID_LENGTH, strip_whitespace=True)]
_ConnId = Annotated[ConnId, Field(description="Id of its Airflow Connection, of the type gmail_oauth_client.")]
_OF_ANOTHER_CLIENT = "Of these, every mailbox whose grant is of another client."


class BreakerOut(BaseModel):
    """An open circuit breaker: no requests are sent for the client, except an occasional probe."""

    opened_at: datetime
    reason: str = Field(description="Reason code.")
    sentence: str = Field(description="The reason as a sentence.")
    step: str = Field(description="The remedy.")

    @classmethod
    def from_breaker(cls, found: OpenBreaker) -> Self:
        """Convert an open breaker."""
        reason = found.reason
        return cls(opened_at=found.opened_at, reason=reason.code, sentence=reason.message, step=reason.remedy)


class ClientOut(BaseModel):
    """An OAuth client, without its secrets."""

    conn_id: str = Field(description="Id of its Airflow Connection.")
    client_id: str | None = Field(description="Null for a default client that no process has read yet.")
    is_default: bool
    state: ClientState
    user_limit: int | None = Field(description="Number of users that Google permits; null if there is no limit.")
    users: int = Field(description="Mailboxes that have ever had a grant of this client, removed ones included.")
    places_left: int | None = Field(description="Null if there is no limit.")
    grants: int = Field(description="Mailboxes whose present grant is of this client.")
    flagged: int = Field(description="Number of these that need a person.")
    tags: list[str] = Field(description="Mailboxes with one of these tags get their next grant from this client.")
    retired_at: datetime | None
    breaker: BreakerOut | None = Field(description="Null while requests are sent for it.")
    problems: list[str] = Field(description="One text per open incident of this client.")

    @classmethod
    def from_status(cls, status: ClientStatus) -> Self:
        """Convert a client and what is wrong with it."""
        client, breaker = status.client, status.breaker
        return cls(
            conn_id=client.conn_id,
            client_id=client.client_id,
            is_default=client.is_default,
            state=client.state,
            user_limit=client.user_limit,
            users=client.users,
            places_left=client.places_left,
            grants=client.grants,
            flagged=status.flagged,
            tags=list(client.tags),
            retired_at=client.retired_at,
            breaker=BreakerOut.from_breaker(breaker) if breaker else None,
            problems=list(status.problems),
        )


class ClientList(BaseModel):
    """All OAuth clients, the default one first."""

    clients: list[ClientOut]


class ClientIn(Body):
    """An OAuth client to register or to change. A value that is left out is kept."""

    conn_id: _ConnId
    user_limit: Annotated[int, Field(ge=0, le=MAX_USER_LIMIT), WHOLE_NUMBER] | None = Field(
        None, description="Number of users that Google permits; null removes the limit."
    )
    tags: list[str] = Field(
        [],
        max_length=MAX_TAGS,
        description="Mailboxes with one of these tags get their next grant from it; [] removes all.",
    )

    @property
    def changes(self) -> ClientChanges:
        """Return the values that the request sets."""
        return cast("ClientChanges", self.model_dump(include={"user_limit", "tags"}, exclude_unset=True))


class ClientNameIn(Body):
    """A registered OAuth client."""

    conn_id: ConnId


class MoveIn(Body):
    """The client to move mailboxes to, and the mailboxes."""

    conn_id: ConnId
    filter: BulkFilter = Field(BulkFilter(), description=_OF_ANOTHER_CLIENT)


class MovePreviewIn(FilterIn):
    """The client to move mailboxes to, and the mailboxes: of those that match, every one of another client."""

    conn_id: ConnId


class MovePreview(BaseModel):
    """What a move would do."""

    matching: int = Field(description="Number of mailboxes of the selection whose grant is of another client.")
    queued: int = Field(description="Number of these that the queue takes.")
    new_users: int = Field(description="Number of those in the queue that take a place of the client.")
    places_left: int | None = Field(description="Of the client; null if there is no limit.")
    problem: str = Field(description="Why they cannot be moved, with the remedy; empty if they can.")
    note: str = Field(description="How to move those that the queue does not take; empty if it takes all.")

    @classmethod
    def from_plan(cls, plan: MovePlan) -> Self:
        """Convert the plan of a move."""
        return cls(
            matching=plan.matching,
            queued=plan.queued,
            new_users=plan.new_users,
            places_left=plan.target.places_left,
            problem=plan.problem,
            note=plan.limit_note,
        )


@router.get("")
def list_clients(context: CurrentContext) -> ClientList:
    """List the OAuth clients."""
    return ClientList(clients=_load_clients(context.services))


@router.post("", dependencies=ADMINISTER)
def set_client(body: ClientIn, context: CurrentContext, user: UserName) -> ClientOut:
    """Register the client of a Connection, or change its limit or tags."""
    oauth_clients.register_client(context.services, body.conn_id, body.changes, actor=user)
    return _load_client(context.services, body.conn_id)


@router.post("/retire", dependencies=ADMINISTER)
def retire_client(body: ClientNameIn, context: CurrentContext, user: UserName) -> ClientOut:
    """Give a client no further grants. Its mailboxes keep theirs until they are moved."""
    oauth_clients.set_client_retired(context.services, body.conn_id, retired=True, actor=user)
    return _load_client(context.services, body.conn_id)


@router.post("/reopen", dependencies=ADMINISTER)
def reopen_client(body: ClientNameIn, context: CurrentContext, user: UserName) -> ClientOut:
    """Give a retired client new grants again."""
    oauth_clients.set_client_retired(context.services, body.conn_id, retired=False, actor=user)
    return _load_client(context.services, body.conn_id)


@router.get("/move")
def preview_move(context: CurrentContext, params: Annotated[MovePreviewIn, Query()]) -> MovePreview:
    """Return what a move of mailboxes to a client would do. Nothing is changed."""
    settings = context.services.settings
    conditions = filters.build_conditions(params.to_filter(), expiring_days=settings.expiring_days)
    with read_transaction(context.services.engine) as connection:
        plan = moving.plan_move(connection, params.conn_id, conditions, default=settings.client_conn_id)
    return MovePreview.from_plan(plan)


@router.post("/move", dependencies=OPERATE)
def move_mailboxes(
    body: MoveIn, request: Request, response: Response, context: CurrentContext, user: UserName
) -> NewQueueOut:
    """Start a queue of consents that moves mailboxes to a client; it replaces the user's repair queue.

    After each consent, Google's page for the next mailbox follows. `repairs/sign-in` and `repairs/skip` continue it.
    """
    settings = context.services.settings
    conditions = filters.build_conditions(body.filter.to_filter(), expiring_days=settings.expiring_days)
    with write_transaction(context.services.engine) as connection:
        plan = moving.start_move(connection, user, body.conn_id, conditions, default=settings.client_conn_id)
    return start_first_consent(request, response, context, user, matching=plan.matching)


def _load_clients(services: Services) -> list[ClientOut]:
    with read_transaction(services.engine) as connection:
        statuses = load_client_statuses(connection, default=services.settings.client_conn_id)
    return [ClientOut.from_status(status) for status in statuses]


def _load_client(services: Services, conn_id: str) -> ClientOut:
    return next(client for client in _load_clients(services) if client.conn_id == conn_id)
