"""Webhooks arrive at least once, in the order of each mailbox, and a receiver that fails delays only its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import sqlalchemy as sa

from gmail_warmup.alerts.outbox import SendCounts
from gmail_warmup.alerts.webhooks import delivery as delivery_module
from gmail_warmup.alerts.webhooks.delivery import deliver_webhooks, dispatch_events
from gmail_warmup.alerts.webhooks.receivers import UnusableReceiver
from gmail_warmup.db.engine import make_engine
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

OTHER = "billing"


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Inbox]]:
    with ExitStack() as stack:
        yield [stack.enter_context(receiving()) for _ in range(2)]


@pytest.fixture
def inboxes(servers: list[Inbox], database: sa.Engine) -> list[Inbox]:
    for inbox in servers:
        inbox.messages.clear()
        inbox.attempts.clear()
        inbox.headers = {}
        inbox.seconds = 0.0
        inbox.answer = lambda payload, before: 204
    register(database, servers[0].receiver(), servers[1].receiver(OTHER))
    return servers


@pytest.fixture
def inbox(inboxes: list[Inbox], database: sa.Engine) -> Inbox:
    """Return one receiver, which is the only one."""
    register(database, inboxes[0].receiver())
    return inboxes[0]


def deliver(database: sa.Engine, *inboxes: Inbox, **policy: Any) -> SendCounts:
    receivers = [inbox.receiver(conn_id) for inbox, conn_id in zip(inboxes, (CONN_ID, OTHER), strict=False)]
    return deliver_webhooks(pool_of(database.url), receivers, replace(POLICY, **policy))


@cache
def pool_of(url: sa.URL) -> sa.Engine:
    """Return an engine that keeps its connections, as that of a task does."""
    return make_engine(url, pooled=True)


def add_story(engine: sa.Engine, mailboxes: int = 1, *, transitions: int = 4) -> list[int]:
    """Flag and repair mailboxes in turns; return their ids."""
    database = pool_of(engine.url)
    ids = [add_mailbox(database, f"box{number}@one.example") for number in range(mailboxes)]
    for turn in range(transitions):
        for mailbox_id in ids:
            (recover if turn % 2 else flag)(database, mailbox_id)
    return ids


def turns_of(inbox: Inbox, mailbox_id: int) -> list[str]:
    """Return what arrived about a mailbox, each message once, as a receiver that stores the ids sees it."""
    first: dict[str, dict[str, Any]] = {}
    for message_id, payload in inbox.messages:
        first.setdefault(message_id, payload)
    found = [payload for payload in first.values() if payload["data"]["mailbox_id"] == mailbox_id]
    return [payload["type"].removeprefix("mailbox.") for payload in found]


def test_everything_arrives_once_and_in_order_at_every_receiver(database: sa.Engine, inboxes: list[Inbox]):
    ids = add_story(database, 5)
    assert deliver(database, *inboxes) == SendCounts(sent=40)
    assert deliver(database, *inboxes) == SendCounts()
    for inbox in inboxes:
        for mailbox_id in ids:
            assert turns_of(inbox, mailbox_id) == ["needs_reauth", "recovered"] * 2
    assert {message_id for message_id, _ in inboxes[0].messages} == {id_ for id_, _ in inboxes[1].messages}
    assert inboxes[0].forged == inboxes[1].forged == 0


def test_a_receiver_gets_the_events_that_it_chose(database: sa.Engine, inbox: Inbox):
    receiver = inbox.receiver(events=["mailbox.recovered"])
    register(database, receiver)
    add_story(database)
    deliver_webhooks(database, [receiver], POLICY)
    assert inbox.types == ["recovered", "recovered"]


def test_an_event_that_is_refused_holds_back_the_later_ones_of_its_mailbox_only(database: sa.Engine, inbox: Inbox):
    first, second = add_story(database, 2)
    refused: list[str] = []

    def answer(payload: dict[str, Any], before: int) -> int:
        if payload["data"]["mailbox_id"] == second or refused:
            return 204
        refused.append(payload["type"])
        return 500

    inbox.answer = answer
    assert deliver(database, inbox) == SendCounts(sent=4, failed=1)
    assert turns_of(inbox, second) == ["needs_reauth", "recovered"] * 2
    assert turns_of(inbox, first) == []
    pass_time(database, mins=2)
    assert deliver(database, inbox) == SendCounts(sent=4)
    assert turns_of(inbox, first) == ["needs_reauth", "recovered"] * 2
    assert max(inbox.attempts.values()) == 2, "the message came again under the same id"


@pytest.mark.parametrize("fault", ["500", "hangs", "closed"])
def test_a_receiver_that_fails_for_a_day_loses_nothing_and_delays_no_other(
    fault: str, database: sa.Engine, inboxes: list[Inbox]
):
    bad, good = inboxes
    ids = add_story(database, 2)
    policy: dict[str, Any] = {}
    if fault == "500":
        bad.answer = lambda payload, before: 500
    elif fault == "hangs":
        bad.answer = lambda payload, before: 500
        bad.seconds, policy = 0.5, {"timeout": 0.2}
    port = bad.port
    if fault == "closed":
        bad.port = 9  # nobody listens at the port "discard"
    deliver(database, bad, good, **policy)
    assert good.types.count("needs_reauth") == 4
    for _ in range(4):
        pass_time(database, hours=6)
        deliver(database, bad, good, **policy)
    (failure,), *_ = fetch(database, "SELECT DISTINCT failure FROM gmail_warmup.webhook_delivery WHERE attempts > 0"
                                     " AND sent_at IS NULL")  # fmt: skip
    expected = {"500": "answered HTTP 500", "hangs": "did not answer within 0.2 s", "closed": "be reached"}
    assert expected[fault] in failure
    bad.port, bad.seconds, bad.answer = port, 0.0, lambda payload, before: 204
    bad.messages.clear()
    pass_time(database, hours=1)
    deliver(database, bad, good)
    for mailbox_id in ids:
        assert turns_of(bad, mailbox_id) == ["needs_reauth", "recovered"] * 2


def test_a_receiver_that_is_down_is_tried_a_few_times_per_run(database: sa.Engine, inbox: Inbox):
    add_story(database, 16, transitions=1)
    inbox.answer = lambda payload, before: 503
    assert deliver(database, inbox).failed == 12
    assert sum(inbox.attempts.values()) == 12


def test_pauses_grow_to_an_hour(database: sa.Engine, inbox: Inbox):
    add_story(database, transitions=1)
    inbox.answer = lambda payload, before: 500
    pauses = []
    for _ in range(8):
        deliver(database, inbox)
        pauses += fetch(database, "SELECT round(extract(epoch FROM next_try_at - now()) / 60)"
                                  " FROM gmail_warmup.webhook_delivery")  # fmt: skip
        pass_time(database, mins=61)
    assert [int(minutes) for (minutes,) in pauses] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("header", "minutes"), [("1200", 20), ("1", 1), ("86400", 60), ("nonsense", 1)])
def test_a_receiver_can_ask_for_a_pause(header: str, minutes: int, database: sa.Engine, inbox: Inbox):
    add_story(database, transitions=1)
    inbox.answer, inbox.headers = lambda payload, before: 429, {"Retry-After": header}
    deliver(database, inbox)
    assert fetch(database, "SELECT round(extract(epoch FROM next_try_at - now()) / 60)"
                           " FROM gmail_warmup.webhook_delivery") == [(minutes,)]  # fmt: skip


def test_redirects_are_not_followed(database: sa.Engine, inboxes: list[Inbox]):
    bad, target = inboxes
    register(database, bad.receiver())
    bad.answer, bad.headers = lambda payload, before: 307, {"Location": target.url}
    add_story(database, transitions=1)
    assert deliver(database, bad) == SendCounts(failed=1)
    assert target.messages == []
    assert "redirects are not followed" in fetch(database, "SELECT failure FROM gmail_warmup.webhook_delivery")[0][0]


def test_after_three_days_it_is_given_up_and_the_later_ones_follow(
    database: sa.Engine, inbox: Inbox, caplog: pytest.LogCaptureFixture
):
    (mailbox_id,) = add_story(database, transitions=1)
    inbox.answer = lambda payload, before: 500
    deliver(database, inbox)
    pass_time(database, days=2)
    recover(database, mailbox_id)
    deliver(database, inbox)
    inbox.answer = lambda payload, before: 204
    pass_time(database, days=1, mins=1)
    assert deliver(database, inbox) == SendCounts(sent=1, given_up=1)
    assert inbox.types == ["recovered"]
    delivery = f"Webhook delivery 1 to {CONN_ID} about the mailbox {mailbox_id}"
    assert f"{delivery} was not sent, and is tried again in 1 min: The receiver answered HTTP 500." in caplog.text
    gave_up = "was not sent within 3 days and is not tried again; gave up: The receiver answered HTTP 500."
    assert f"{delivery} {gave_up}" in caplog.text
    assert fetch(database, "SELECT given_up_at IS NOT NULL FROM gmail_warmup.webhook_delivery ORDER BY id") == [
        (True,), (False,)
    ]  # fmt: skip


@pytest.mark.parametrize("listed", [True, False])
def test_what_waits_for_a_receiver_that_cannot_be_used_is_kept(listed: bool, database: sa.Engine, inbox: Inbox):
    (mailbox_id,) = add_story(database, transitions=2)
    unusable = [UnusableReceiver(conn_id=CONN_ID, problem="It is malformed.")] if listed else []
    dispatch_events(database)
    assert deliver_webhooks(database, unusable, POLICY) == SendCounts()
    flag(database, mailbox_id)
    pass_time(database, hours=20)
    deliver(database, inbox)
    assert inbox.types == ["needs_reauth", "recovered", *(["needs_reauth"] if listed else [])]


def test_deliverers_at_once_keep_the_order_and_send_each_event_once(database: sa.Engine, inbox: Inbox):
    ids = add_story(database, 8)
    inbox.seconds = 0.002
    gate = threading.Barrier(4)

    def run() -> SendCounts:
        gate.wait()
        return deliver(database, inbox)

    with ThreadPoolExecutor(4) as pool:
        counts = [future.result() for future in [pool.submit(run) for _ in range(4)]]
    assert sum(count.sent for count in counts) == 32 == len(inbox.messages)
    for mailbox_id in ids:
        assert turns_of(inbox, mailbox_id) == ["needs_reauth", "recovered"] * 2


def test_no_row_is_locked_while_a_receiver_answers(database: sa.Engine, inbox: Inbox):
    add_story(database, transitions=1)
    seen = []

    def answer(payload: dict[str, Any], before: int) -> int:
        seen.append(fetch(database, "SELECT id FROM gmail_warmup.webhook_delivery FOR UPDATE NOWAIT"))
        return 204

    inbox.answer = answer
    assert deliver(database, inbox) == SendCounts(sent=1)
    assert len(seen) == 1


def test_a_late_answer_of_an_expired_claim_changes_nothing(database: sa.Engine, inbox: Inbox):
    add_story(database, transitions=1)

    def answer(payload: dict[str, Any], before: int) -> int:
        if before:
            return 204
        pass_time(database, mins=6)
        assert deliver(database, inbox) == SendCounts(sent=1)
        return 500

    inbox.answer = answer
    assert deliver(database, inbox) == SendCounts(failed=1)
    assert fetch(database, "SELECT sent_at IS NOT NULL, failure, attempts FROM gmail_warmup.webhook_delivery") == [
        (True, None, 2)
    ]


def test_old_events_are_deleted_and_waiting_ones_are_kept(database: sa.Engine, inbox: Inbox):
    _, second = add_story(database, 2, transitions=1)
    inbox.answer = lambda payload, before: 500 if payload["data"]["mailbox_id"] == second else 204
    deliver(database, inbox)
    with database.begin() as connection:
        connection.exec_driver_sql("UPDATE gmail_warmup.webhook_event SET at = now() - interval '31 days'")
    deliver(database, inbox)
    assert fetch(database, "SELECT mailbox_id FROM gmail_warmup.webhook_event") == [(second,)]
    assert fetch(database, "SELECT mailbox_id FROM gmail_warmup.webhook_delivery") == [(second,)]


def test_a_private_address_gets_nothing(database: sa.Engine, inbox: Inbox):
    add_story(database, transitions=1)
    assert deliver(database, inbox, allow_private=False) == SendCounts(failed=1)
    assert not inbox.attempts
    ((failure,),) = fetch(database, "SELECT failure FROM gmail_warmup.webhook_delivery")
    assert "private, link-local or loopback address, so nothing was sent" in failure
    assert "WEBHOOK_PRIVATE_ADDRESSES=True" in failure


def test_neither_log_nor_table_has_the_url_or_the_secret(
    database: sa.Engine, inbox: Inbox, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    add_story(database, 2)
    inbox.answer = lambda payload, before: 500
    deliver(database, inbox)
    tables = str([fetch(database, f"SELECT * FROM gmail_warmup.{name}") for name in
                  ("webhook_event", "webhook_delivery", "webhook_receiver")])  # fmt: skip
    product = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("gmail_warmup"))
    for text in (tables, product):
        assert "/hook" not in text
        assert "whsec_" not in text


def test_a_run_ends_in_time(database: sa.Engine, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delivery_module, "_WORKERS", 1)
    add_story(database, 5)
    inbox.seconds = 0.05
    counts = deliver(database, inbox, run_seconds=0.1)
    assert 0 < counts.sent < 20
    inbox.seconds = 0.0
    assert counts.sent + deliver(database, inbox).sent == 20
