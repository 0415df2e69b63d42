"""The log of deliveries, sending again, and tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from gmail_warmup.alerts.webhooks import delivery_log
from gmail_warmup.alerts.webhooks.delivery import deliver_webhooks
from gmail_warmup.alerts.webhooks.delivery_log import DeliveryQuery, DeliveryRecord
from gmail_warmup.core.enums import DeliveryState
from gmail_warmup.core.errors import InvalidInputError, UnknownDeliveryError
from gmail_warmup.db.models import Mailbox
from gmail_warmup.db.paging import IdPage, IdRange
from support.webhook_kit import (
    CONN_ID,
    POLICY,
    Inbox,
    add_mailbox,
    fetch,
    flag,
    pass_time,
    receiving,
    recover,
    register,
)

ADA, BOB = "ada@one.example", "bob@one.example"


@pytest.fixture
def inbox(database: sa.Engine) -> Iterator[Inbox]:
    with receiving() as found:
        register(database, found.receiver())
        yield found


def deliver(database: sa.Engine, inbox: Inbox) -> None:
    deliver_webhooks(database, [inbox.receiver()], POLICY)


def load(database: sa.Engine, **query: object) -> list[DeliveryRecord]:
    with database.begin() as connection:
        return list(delivery_log.load_deliveries(connection, DeliveryQuery(**query)).rows)  # type: ignore[arg-type]


def test_it_shows_what_happened_to_each_delivery(database: sa.Engine, inbox: Inbox):
    ada, bob = add_mailbox(database, ADA), add_mailbox(database, BOB)
    inbox.answer = lambda payload, before: 500 if payload["data"]["address"] == BOB else 204
    flag(database, ada)
    flag(database, bob)
    deliver(database, inbox)
    newest, oldest = load(database)
    assert (oldest.address, oldest.state, oldest.attempts, oldest.failure) == (ADA, DeliveryState.DELIVERED, 1, None)
    assert (newest.address, newest.state, newest.failure) == (
        BOB, DeliveryState.WAITING, "The receiver answered HTTP 500."
    )  # fmt: skip
    assert newest.next_try_at
    assert oldest.next_try_at is None
    assert [row.address for row in load(database, state=DeliveryState.DELIVERED)] == [ADA]
    assert [row.address for row in load(database, address="BOB")] == [BOB]
    assert load(database, receiver="other") == []
    with database.begin() as connection:
        (status,) = delivery_log.load_receiver_states(connection)
    assert (status.conn_id, status.waiting, status.given_up, status.failure) == (
        CONN_ID, 1, 0, "The receiver answered HTTP 500."
    )  # fmt: skip
    pass_time(database, days=4)
    deliver(database, inbox)
    assert [row.address for row in load(database, state=DeliveryState.GIVEN_UP)] == [BOB]


def test_pages_are_complete_in_both_directions(database: sa.Engine, inbox: Inbox):
    mailbox_id = add_mailbox(database, ADA)
    for _ in range(3):
        flag(database, mailbox_id)
        recover(database, mailbox_id)
    deliver(database, inbox)
    with database.begin() as connection:

        def page(**edge: int | None) -> IdPage[DeliveryRecord]:
            return delivery_log.load_deliveries(connection, DeliveryQuery(position=IdRange(limit=2, **edge)))

        first = page()
        second = page(before=first.older_before)
        third = page(before=second.older_before)
        back = page(after=third.newer_after)
    ids = [row.id for part in (first, second, third) for row in part.rows]
    assert ids == [6, 5, 4, 3, 2, 1]
    assert (first.newer_after, third.older_before) == (None, None)
    assert [row.id for row in back.rows] == [4, 3]


def test_a_delivered_one_is_sent_again_under_its_id(database: sa.Engine, inbox: Inbox):
    flag(database, add_mailbox(database, ADA))
    deliver(database, inbox)
    again = delivery_log.send_again(database, inbox.receiver(), POLICY, 1, actor="op")
    assert (again.id, again.state) == (2, DeliveryState.DELIVERED)
    (first_id, first), (second_id, second) = inbox.messages
    assert (first_id, first) == (second_id, second)
    assert fetch(database, "SELECT actor, action, subject, after FROM gmail_warmup.change_log") == [
        ("op", "webhook_repeat", ADA, {"receiver": CONN_ID, "delivery_id": 1})
    ]


def test_a_waiting_one_is_tried_now(database: sa.Engine, inbox: Inbox):
    flag(database, add_mailbox(database, ADA))
    inbox.answer = lambda payload, before: 204 if before else 500
    deliver(database, inbox)
    again = delivery_log.send_again(database, inbox.receiver(), POLICY, 1, actor="op")
    assert (again.id, again.state, again.attempts) == (1, DeliveryState.DELIVERED, 2)


def test_one_that_is_sent_again_waits_for_earlier_ones_of_its_mailbox(database: sa.Engine, inbox: Inbox):
    mailbox_id = add_mailbox(database, ADA)
    flag(database, mailbox_id)
    deliver(database, inbox)
    inbox.answer = lambda payload, before: 500
    recover(database, mailbox_id)
    deliver(database, inbox)
    again = delivery_log.send_again(database, inbox.receiver(), POLICY, 1, actor="op")
    assert (again.id, again.state, again.attempts) == (3, DeliveryState.WAITING, 0)
    inbox.answer = lambda payload, before: 204
    pass_time(database, mins=2)
    deliver(database, inbox)
    assert inbox.types == ["needs_reauth", "recovered", "needs_reauth"]


def test_what_cannot_be_sent_again_is_named(database: sa.Engine, inbox: Inbox):
    add_mailbox(database, ADA)
    with database.begin() as connection:
        connection.execute(sa.delete(Mailbox))
    deliver(database, inbox)
    with pytest.raises(InvalidInputError, match="was removed, and its address was erased"):
        delivery_log.send_again(database, inbox.receiver(), POLICY, 1, actor="op")
    with pytest.raises(InvalidInputError, match=f"belongs to the receiver '{CONN_ID}'"):
        delivery_log.send_again(database, inbox.receiver("other"), POLICY, 1, actor="op")
    with pytest.raises(UnknownDeliveryError, match="There is no delivery 99"):
        delivery_log.send_again(database, inbox.receiver(), POLICY, 99, actor="op")
    assert len(inbox.messages) == 1


@pytest.mark.parametrize(("status", "state"), [(204, DeliveryState.DELIVERED), (500, DeliveryState.WAITING)])
def test_a_test_is_sent_now_and_logged(status: int, state: DeliveryState, database: sa.Engine, inbox: Inbox):
    inbox.answer = lambda payload, before: status
    sent = delivery_log.send_test(database, inbox.receiver(), POLICY, actor="op")
    assert (sent.type, sent.address, sent.state) == ("webhook.test", None, state)
    assert [row.id for row in load(database)] == [sent.id]
    assert fetch(database, "SELECT actor, action, after FROM gmail_warmup.change_log") == [
        ("op", "webhook_test", {"receiver": CONN_ID, "delivery_id": sent.id})
    ]
