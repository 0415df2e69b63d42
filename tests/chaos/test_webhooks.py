"""No webhook is lost and none overtakes another of its mailbox, whoever is killed and however receivers fail."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from chaos.faults import Fault, NewFault
from chaos.forms import forms
from chaos.kills import until
from chaos.webhook_processes import deliver, produce, running
from support.webhook_kit import Inbox, add_mailbox, fetch, pass_time, receiving, register

DESK, BILLING = "desk", "billing"
TIME_LIMIT = 240
"""Seconds after which what has not arrived counts as lost."""


class Fates:
    """What a receiver does with the messages that come, drawn from a seed."""

    def __init__(self, seed: int, account: Fault) -> None:
        self._draw, self._account, self.is_down = random.Random(seed), account, False

    def __call__(self, payload: dict[str, Any], before: int) -> int:
        """Return the status of the answer; 0 for none, although the message was accepted."""
        if self.is_down:
            return 503
        chance = self._draw.random()
        status = 500 if chance < 0.06 else 429 if chance < 0.08 else 0 if chance < 0.12 else 204
        if status != 204:
            self._account.struck()
        return status


def sent_order(database: sa.Engine) -> dict[int, list[str]]:
    """Return the reasons of the transitions that were committed, in order, by mailbox."""
    found = defaultdict(list)
    for mailbox_id, reason in fetch(database, "SELECT mailbox_id, reason FROM gmail_warmup.grant_event ORDER BY id"):
        found[mailbox_id].append(reason)
    return found


def received_order(inbox: Inbox) -> dict[int, list[str]]:
    """Return the reasons of the events that arrived, by mailbox, each where it arrived first."""
    found: dict[int, dict[str, None]] = defaultdict(dict)
    for payload in inbox.payloads:
        found[payload["data"]["mailbox_id"]].setdefault(payload["data"]["reason"])
    return {mailbox_id: list(reasons) for mailbox_id, reasons in found.items()}


def count_lost(database: sa.Engine, inbox: Inbox) -> int:
    received = received_order(inbox)
    return sum(len(set(reasons) - set(received.get(box, ()))) for box, reasons in sent_order(database).items())


def count_out_of_order(database: sa.Engine, inbox: Inbox) -> int:
    received = received_order(inbox)
    return sum(
        first != second
        for box, reasons in sent_order(database).items()
        for first, second in zip([each for each in reasons if each in received.get(box, ())], received.get(box, ()),
                                 strict=False)
    )  # fmt: skip


@pytest.mark.parametrize("events", forms(24, 1_000))
def test_nothing_is_lost_or_overtaken_while_processes_are_killed(
    database: sa.Engine, fault: NewFault, events: int, record_property: Callable[[str, object], None]
):
    account = fault("kill -9 while webhooks are recorded and delivered; receivers that fail")
    for number in range(max(6, events // 20)):
        add_mailbox(database, f"box{number}@one.example")
    ends_at = time.monotonic() + TIME_LIMIT
    with ExitStack() as stack:
        inboxes = {name: stack.enter_context(receiving()) for name in (DESK, BILLING)}
        for number, inbox in enumerate(inboxes.values()):
            inbox.answer = Fates(number, account)
        register(database, *(inbox.receiver(name) for name, inbox in inboxes.items()))
        kills = Kills(database, inboxes, events)
        while time.monotonic() < ends_at and not kills.is_over():
            account.struck(kills.strike())
            pass_time(database, mins=61)
    recorded = kills.count_transitions()
    lost = sum(count_lost(database, inbox) for inbox in inboxes.values())
    out_of_order = sum(count_out_of_order(database, inbox) for inbox in inboxes.values())
    record_property("webhooks_lost", lost)
    record_property("webhooks_out_of_order_per_mailbox", out_of_order)
    account.check(recorded >= events, f"only {recorded} transitions were made")
    account.found([], checked=recorded * len(inboxes))
    account.check(lost == 0, f"{lost} webhooks were lost")
    account.check(out_of_order == 0, f"{out_of_order} webhooks overtook another one of their mailbox")
    account.check(not any(inbox.forged for inbox in inboxes.values()), "a signature was wrong")
    ((stored,),) = fetch(database, "SELECT count(*) FROM gmail_warmup.webhook_event")
    account.check(stored == recorded, f"{stored} events were recorded for {recorded} transitions")
    account.hold()


class Kills:
    """Runs a process that makes transitions and two that deliver, and kills them at random moments.

    Args:
        events: the number of transitions to make.
    """

    def __init__(self, database: sa.Engine, inboxes: dict[str, Inbox], events: int) -> None:
        self._database, self._inboxes, self._events = database, inboxes, events
        self._url = database.url.render_as_string(hide_password=False)
        self._ids = [mailbox_id for (mailbox_id,) in fetch(database, "SELECT id FROM gmail_warmup.mailbox")]
        self._draw, self._rounds = random.Random(events), 0
        self._most_kills = 3 + events // 50

    def strike(self) -> int:
        """Let the processes work until some messages came, and kill them; return the number of kills.

        After enough rounds they work until nothing is due, so that the test ends.
        """
        self._rounds += 1
        is_calm = self._rounds > self._most_kills
        made = self.count_transitions()
        # The receiver BILLING is down during the first half.
        is_down = made < self._events / 2 and not is_calm
        self._inboxes[BILLING].answer.is_down = is_down  # type: ignore[attr-defined]
        first = 10_000 * self._rounds
        batch = self._events - made if is_calm else self._draw.randint(5, max(8, self._events // 6))
        numbers = range(first, first + batch) if made < self._events else range(0)
        wanted = self._count_messages() + (10**6 if is_calm else self._draw.randint(3, max(6, self._events // 6)))
        addresses = {name: inbox.url for name, inbox in self._inboxes.items()}
        with ExitStack() as stack:
            if numbers:
                stack.enter_context(running(produce, self._url, self._ids, list(numbers)))
            stack.enter_context(running(deliver, self._url, addresses, processes=2))
            until(
                lambda: self._count_messages() >= wanted or self._is_idle(made, numbers),
                "the processes did not come to an end",
                seconds=TIME_LIMIT,
                pause=0.05,
            )
        return 3 if numbers else 2

    def is_over(self) -> bool:
        """Return whether all transitions were made and arrived."""
        return self.count_transitions() >= self._events and not any(
            count_lost(self._database, inbox) for inbox in self._inboxes.values()
        )

    def count_transitions(self) -> int:
        ((number,),) = fetch(self._database, "SELECT count(*) FROM gmail_warmup.grant_event")
        return int(number)

    def _count_messages(self) -> int:
        """Return the number of different messages that arrived, so that every round makes progress."""
        return sum(len({message_id for message_id, _ in list(inbox.messages)}) for inbox in self._inboxes.values())

    def _is_idle(self, made: int, numbers: Sequence[int]) -> bool:
        return self.count_transitions() >= made + len(numbers) and _is_idle(self._database)


def _is_idle(database: sa.Engine) -> bool:
    """Return whether nothing is due and nothing is new, so that no message can come."""
    return fetch(
        database,
        "SELECT NOT EXISTS (SELECT FROM gmail_warmup.webhook_event WHERE dispatched_at IS NULL) AND NOT EXISTS ("
        "SELECT FROM gmail_warmup.webhook_delivery d WHERE sent_at IS NULL AND next_try_at <= now() AND NOT EXISTS ("
        "SELECT FROM gmail_warmup.webhook_delivery e WHERE e.receiver = d.receiver AND e.mailbox_id = d.mailbox_id"
        " AND e.id < d.id AND e.sent_at IS NULL))",
    ) == [(True,)]
