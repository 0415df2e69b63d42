"""Webhooks: the receivers, the delivery log, sending again, and tests."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from gmail_warmup.airflow.webhooks import runner
from gmail_warmup.alerts.webhooks import delivery_log
from gmail_warmup.core.enums import DeliveryState
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.paging import DEFAULT_PAGE_LIMIT, IdRange
from gmail_warmup.web.api.schemas import Body, PageEdge, PageLimit
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import OPERATE, UserName
from gmail_warmup.web.text_limits import MAX_CONN_ID_LENGTH, MAX_TEXT_LENGTH

router = APIRouter(tags=["webhooks"])

DeliveryId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class DeliveryOut(BaseModel):
    """The delivery of an event to a receiver."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    message_id: str = Field(description="The header webhook-id; the same in every delivery of the event.")
    type: str
    address: str | None = Field(description="Null for a test, and for a removed mailbox after the delivery.")
    mailbox_id: int | None
    receiver: str
    state: DeliveryState
    created_at: datetime
    attempts: int
    sent_at: datetime | None
    next_try_at: datetime | None
    failure: str | None = Field(description="Why the last attempt failed.")


class DeliveryList(BaseModel):
    """One page of deliveries, newest first."""

    deliveries: list[DeliveryOut]
    older_before: int | None = Field(description="Pass it as `before` to get the next page.")
    newer_after: int | None = Field(description="Pass it as `after` to get the previous page.")


class ReceiverOut(BaseModel):
    """A receiver, without its URL and secret."""

    model_config = ConfigDict(from_attributes=True)

    conn_id: str
    events: list[str]
    problem: str | None = Field(description="Why its Connection cannot be used; null if it can.")
    waiting: int
    waiting_since: datetime | None
    given_up: int = Field(description="Deliveries in the log that were given up.")
    delivered_at: datetime | None
    failure: str | None = Field(description="Why the oldest waiting delivery was not accepted.")


class ReceiverList(BaseModel):
    """All receivers that a run has registered."""

    receivers: list[ReceiverOut]


class WebhookTestIn(Body):
    """The receiver of a test."""

    receiver: str = Field(min_length=1, max_length=MAX_CONN_ID_LENGTH, description="The id of its Airflow Connection.")


class RepeatIn(Body):
    """An empty object."""


@router.get("/webhooks/receivers")
def list_receivers(context: CurrentContext) -> ReceiverList:
    """List the receivers with their state."""
    with read_transaction(context.services.engine) as connection:
        found = delivery_log.load_receiver_states(connection)
    return ReceiverList(receivers=[ReceiverOut.model_validate(receiver) for receiver in found])


@router.post("/webhooks/test", dependencies=OPERATE)
def send_test(body: WebhookTestIn, context: CurrentContext, user: UserName) -> DeliveryOut:
    """Send a test to a receiver now."""
    return DeliveryOut.model_validate(runner.send_test(context.services, body.receiver, actor=user))


@router.get("/webhooks/deliveries")
def list_deliveries(
    context: CurrentContext,
    receiver: Annotated[
        str, Query(max_length=MAX_CONN_ID_LENGTH, description="Only deliveries to this receiver.")
    ] = "",
    state: DeliveryState | None = None,
    address: Annotated[str, Query(max_length=MAX_TEXT_LENGTH, description="Part of the address of a mailbox.")] = "",
    before: PageEdge = None,
    after: PageEdge = None,
    limit: PageLimit = DEFAULT_PAGE_LIMIT,
) -> DeliveryList:
    """List deliveries, newest first, in pages."""
    query = delivery_log.DeliveryQuery(
        receiver=receiver.strip(),
        state=state,
        address=address.strip(),
        position=IdRange(before=before, after=after, limit=limit),
    )
    with read_transaction(context.services.engine) as connection:
        page = delivery_log.load_deliveries(connection, query)
    return DeliveryList(
        deliveries=[DeliveryOut.model_validate(row) for row in page.rows],
        older_before=page.older_before,
        newer_after=page.newer_after,
    )


@router.post("/webhooks/deliveries/{delivery_id}/repeat", dependencies=OPERATE)
def repeat_delivery(delivery_id: DeliveryId, body: RepeatIn, context: CurrentContext, user: UserName) -> DeliveryOut:
    """Send a delivery again now: a waiting one itself, a finished one as a new delivery with the same message id."""
    return DeliveryOut.model_validate(runner.repeat_delivery(context.services, delivery_id, actor=user))
