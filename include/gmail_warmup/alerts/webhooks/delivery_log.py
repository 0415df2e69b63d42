"""Read the deliveries of webhooks and the state of the receivers, send a delivery again, and send a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gmail_warmup.alerts.webhooks.delivery import IS_WAITING, DeliveryPolicy, send_delivery
from gmail_warmup.alerts.webhooks.messages import generate_message_id
from gmail_warmup.alerts.webhooks.receivers import Receiver
from gmail_warmup.core.enums import ChangeAction, DeliveryState, WebhookType
from gmail_warmup.core.errors import InvalidInputError, UnknownDeliveryError
from gmail_warmup.core.text import to_storable_text
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import Mailbox, WebhookDelivery, WebhookEvent, WebhookReceiver
from gmail_warmup.db.paging import IdPage, IdRange, fetch_id_page
from gmail_warmup.mailboxes.change_log import FLEET, Subject, record_change
from gmail_warmup.mailboxes.lookup import contains_text

_D, _E, _R = WebhookDelivery, WebhookEvent, WebhookReceiver


@dataclass(frozen=True, kw_only=True)
class DeliveryRecord:
    """A delivery of an event to a receiver.

    Attributes:
        address: the present address of the mailbox; None for a test, and for a removed mailbox after the delivery.
        failure: why the last attempt failed.
    """

    id: int
    message_id: str
    type: str
    address: str | None
    mailbox_id: int | None
    receiver: str
    state: DeliveryState
    created_at: datetime
    attempts: int
    sent_at: datetime | None
    next_try_at: datetime | None
    failure: str | None


@dataclass(frozen=True, kw_only=True)
class DeliveryQuery:
    """Filters and position of a page of deliveries."""

    receiver: str = ""
    state: DeliveryState | None = None
    address: str = ""
    position: IdRange = field(default_factory=IdRange)


@dataclass(frozen=True, kw_only=True)
class ReceiverStatus:
    """The state of a receiver.

    Attributes:
        problem: why its Connection cannot be used; None if it can.
        waiting: number of deliveries that wait.
        waiting_since: when the oldest of these was added.
        given_up: number of deliveries in the log that were given up.
        failure: why the last attempt of the oldest waiting delivery failed.
    """

    conn_id: str
    events: list[str]
    problem: str | None
    waiting: int
    waiting_since: datetime | None
    given_up: int
    delivered_at: datetime | None
    failure: str | None


_STATE = sa.case(
    (_D.sent_at.is_not(None), DeliveryState.DELIVERED.value),
    (_D.given_up_at.is_not(None), DeliveryState.GIVEN_UP.value),
    else_=DeliveryState.WAITING.value,
)
_ADDRESS = sa.func.coalesce(Mailbox.address, _E.address)
_SELECT_DELIVERY = (
    sa.select(
        _D.id, _E.message_id, _E.type, _ADDRESS.label("address"), _D.mailbox_id, _D.receiver, _STATE.label("state"),
        _D.created_at, _D.attempts, _D.sent_at, _D.next_try_at, _D.failure,
    )
    .join(_E, _E.id == _D.event_id)
    .outerjoin(Mailbox, Mailbox.id == _D.mailbox_id)
)  # fmt: skip


def load_deliveries(connection: sa.Connection, query: DeliveryQuery) -> IdPage[DeliveryRecord]:
    """Return a page of deliveries."""
    statement = _SELECT_DELIVERY.where(*_to_conditions(query))
    return fetch_id_page(connection, statement, _D.id, query.position, _to_record)


def _to_conditions(query: DeliveryQuery) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if query.receiver:
        conditions.append(_D.receiver == to_storable_text(query.receiver))
    if query.state:
        conditions.append(_STATE.in_([query.state.value]))
    if query.address:
        conditions.append(contains_text(_ADDRESS, query.address))
    return conditions


def _to_record(row: sa.Row[Any]) -> DeliveryRecord:
    state = DeliveryState(row.state)
    next_try_at = row.next_try_at if state is DeliveryState.WAITING else None
    return DeliveryRecord(**dict(row._mapping) | {"state": state, "next_try_at": next_try_at})


def get_delivery(connection: sa.Connection, delivery_id: int) -> DeliveryRecord:
    """Return a delivery.

    Raises:
        UnknownDeliveryError: if no delivery has this id.
    """
    row = connection.execute(_SELECT_DELIVERY.where(_D.id == delivery_id)).one_or_none()
    if row is None:
        raise UnknownDeliveryError(delivery_id)
    return _to_record(row)


def load_receiver_states(connection: sa.Connection) -> list[ReceiverStatus]:
    """Return the state of every receiver, ordered by its id."""
    waiting = sa.func.count().filter(IS_WAITING)
    counts = (
        sa.select(
            _D.receiver, waiting.label("waiting"),
            sa.func.min(_D.created_at).filter(IS_WAITING).label("waiting_since"),
            sa.func.count().filter(_D.given_up_at.is_not(None)).label("given_up"),
            sa.func.max(_D.sent_at).label("delivered_at"),
        )
        .group_by(_D.receiver)
        .subquery()
    )  # fmt: skip
    failure = (
        sa.select(_D.failure)
        .where(_D.receiver == _R.conn_id, IS_WAITING, _D.failure.is_not(None))
        .order_by(_D.id)
        .limit(1)
        .scalar_subquery()
    )
    query = (
        sa.select(
            _R.conn_id, _R.events, _R.problem, sa.func.coalesce(counts.c.waiting, 0).label("waiting"),
            counts.c.waiting_since, sa.func.coalesce(counts.c.given_up, 0).label("given_up"), counts.c.delivered_at,
            failure.label("failure"),
        )
        .outerjoin(counts, counts.c.receiver == _R.conn_id)
        .order_by(_R.conn_id)
    )  # fmt: skip
    return [
        ReceiverStatus(**dict(row._mapping) | {"events": [str(event) for event in row.events]})
        for row in connection.execute(query)
    ]


def send_again(
    engine: sa.Engine, receiver: Receiver, policy: DeliveryPolicy, delivery_id: int, *, actor: str
) -> DeliveryRecord:
    """Send a delivery again, with the same ``webhook-id``; return the state of this attempt.

    A waiting delivery is tried now, also if another process is sending it. A finished one gets a successor at the end
    of the queue of its mailbox.

    Raises:
        UnknownDeliveryError: if there is no such delivery.
        InvalidInputError: if it has another receiver, or its address was erased.
    """
    with write_transaction(engine) as connection:
        delivery = get_delivery(connection, delivery_id)
        _require_repeatable(delivery, receiver)
        if delivery.state is DeliveryState.WAITING:
            connection.execute(sa.update(_D).where(_D.id == delivery_id).values(next_try_at=sa.func.now()))
            repeated = delivery_id
        else:
            repeated = _add_delivery(connection, delivery_id)
        _record_repetition(connection, delivery, actor=actor)
    return _attempt(engine, receiver, policy, repeated)


def _require_repeatable(delivery: DeliveryRecord, receiver: Receiver) -> None:
    if delivery.receiver != receiver.conn_id:
        raise InvalidInputError(f"The delivery {delivery.id} belongs to the receiver '{delivery.receiver}'.")
    if delivery.mailbox_id is not None and delivery.address is None:
        raise InvalidInputError(
            f"The mailbox of the delivery {delivery.id} was removed, and its address was erased after the delivery, so "
            "it cannot be sent again."
        )


def _record_repetition(connection: sa.Connection, delivery: DeliveryRecord, *, actor: str) -> None:
    subject = Subject.of_mailbox(delivery.mailbox_id, delivery.address or "") if delivery.mailbox_id else FLEET
    what = {"receiver": delivery.receiver, "delivery_id": delivery.id}
    record_change(connection, ChangeAction.WEBHOOK_REPEAT, actor=actor, subject=subject, after=what)


def _add_delivery(connection: sa.Connection, delivery_id: int) -> int:
    source = sa.select(_D.event_id, _D.mailbox_id, _D.receiver).where(_D.id == delivery_id)
    added = sa.insert(_D).from_select(["event_id", "mailbox_id", "receiver"], source).returning(_D.id)
    return int(connection.execute(added).scalar_one())


def send_test(engine: sa.Engine, receiver: Receiver, policy: DeliveryPolicy, *, actor: str) -> DeliveryRecord:
    """Send a test; return its state. One that was not accepted is tried again as every other webhook."""
    event = {
        "message_id": generate_message_id(), "type": WebhookType.TEST, "reason": "test", "dispatched_at": sa.func.now()
    }  # fmt: skip
    with write_transaction(engine) as connection:
        event_id = connection.execute(sa.insert(_E).values(event).returning(_E.id)).scalar_one()
        values = {"event_id": event_id, "receiver": receiver.conn_id}
        delivery_id = int(connection.execute(sa.insert(_D).values(values).returning(_D.id)).scalar_one())
        what = {"receiver": receiver.conn_id, "delivery_id": delivery_id}
        record_change(connection, ChangeAction.WEBHOOK_TEST, actor=actor, after=what)
    return _attempt(engine, receiver, policy, delivery_id)


def _attempt(engine: sa.Engine, receiver: Receiver, policy: DeliveryPolicy, delivery_id: int) -> DeliveryRecord:
    send_delivery(engine, receiver, policy, delivery_id)
    with read_transaction(engine) as connection:
        return get_delivery(connection, delivery_id)
