"""No webhook is lost and none overtakes another of its mailbox, whoever is killed and however receivers fail."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import sqlalchemy as sa

from chaos.faults import Fault, NewFault
from chaos.forms import forms
from chaos.kills import until
from chaos.webhook_processes import deliver, deliver_once, produce, running
from support.webhook_kit import Inbox, add_mailbox, fetch, pass_time, receiving, register

DESK, BILLING = "desk", "billing"
START_SECONDS = 120
"""Seconds in which new processes have to deliver something, on a busy machine too."""
KILLED = "killed"
"""Name of the database sessions of the processes that are killed; other tests leave sessions of their own open."""
QUIET_SECONDS = 2
"""Seconds without a request after which processes that delivered something have nothing more to do."""


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
    with ExitStack() as stack:
        inboxes = {name: stack.enter_context(receiving()) for name in (DESK, BILLING)}
        for number, inbox in enumerate(inboxes.values()):
            inbox.answer = Fates(number, account)
        register(database, *(inbox.receiver(name) for name, inbox in inboxes.items()))
        work = Work(database, inboxes, events)
        work.kill(account)
        work.finish()
    recorded = work.count_transitions()
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


class Work:
    """Makes transitions and delivers their webhooks: in processes that are killed, then here what these left.

    Args:
        events: the number of transitions to make.
    """

    def __init__(self, database: sa.Engine, inboxes: dict[str, Inbox], events: int) -> None:
        self._database, self._inboxes, self._events = database, inboxes, events
        named = database.url.update_query_dict({"application_name": KILLED})
        self._url = named.render_as_string(hide_password=False)
        self._addresses = {name: inbox.url for name, inbox in inboxes.items()}
        self._ids = [mailbox_id for (mailbox_id,) in fetch(database, "SELECT id FROM gmail_warmup.mailbox")]
        self._draw = random.Random(events)
        self._rounds = 3 + events // 50
        self._ends_at = time.monotonic() + START_SECONDS * (self._rounds + 1) + events

    def kill(self, account: Fault) -> None:
        """Let a process make transitions and two deliver, and kill them at a random moment, again and again.

        The receiver BILLING is down during the first half.
        """
        share = self._events // self._rounds
        for number in range(self._rounds):
            self._inboxes[BILLING].answer.is_down = number < self._rounds / 2  # type: ignore[attr-defined]
            numbers = range(number * share, (number + 1) * share)
            with (
                running(produce, self._url, self._ids, numbers),
                running(deliver, self._url, self._addresses, processes=2),
            ):
                self._wait_for_requests(self._draw.randint(1, 2 * share))
            account.struck(3)
            until(self._is_alone, "the sessions of the killed processes do not end")
            self._begin_next_round()

    def finish(self) -> None:
        """Make the transitions that are missing, and deliver everything."""
        first = self._rounds * (self._events // self._rounds)
        produce(self._url, self._ids, range(first, first + self._events - self.count_transitions()))
        while self._count_waiting():
            deliver_once(self._database, self._addresses)
            self._begin_next_round()

    def count_transitions(self) -> int:
        ((number,),) = fetch(self._database, "SELECT count(*) FROM gmail_warmup.grant_event")
        return int(number)

    def _wait_for_requests(self, number: int) -> None:
        """Wait until so many requests came; or some came, and no more come or a part of the time is over."""
        began = seen = self._count_requests()
        seen_at = time.monotonic()
        latest = seen_at + START_SECONDS / 2

        def is_enough() -> bool:
            nonlocal seen, seen_at
            if (now := self._count_requests()) != seen:
                seen, seen_at = now, time.monotonic()
            ends_at = min(seen_at + QUIET_SECONDS, latest)
            return seen >= began + number or (seen > began and time.monotonic() > ends_at)

        until(is_enough, f"no webhook was delivered within {START_SECONDS} seconds", seconds=START_SECONDS)

    def _count_requests(self) -> int:
        return sum(sum(list(inbox.attempts.values())) for inbox in self._inboxes.values())

    def _count_waiting(self) -> int:
        """Return the number of events and deliveries that wait."""
        ((number,),) = fetch(
            self._database,
            "SELECT (SELECT count(*) FROM gmail_warmup.webhook_event WHERE dispatched_at IS NULL)"
            " + (SELECT count(*) FROM gmail_warmup.webhook_delivery WHERE sent_at IS NULL AND given_up_at IS NULL)",
        )
        return int(number)

    def _is_alone(self) -> bool:
        """Return whether no session of a killed process is left, which could still commit something."""
        return not fetch(self._database, f"SELECT FROM pg_stat_activity WHERE application_name = '{KILLED}'")

    def _begin_next_round(self) -> None:
        """Let all pauses and claims end; fail at the end of the time limit."""
        if time.monotonic() > self._ends_at:
            made, waiting = self.count_transitions(), self._count_waiting()
            pytest.fail(f"the time limit has ended: {made} of {self._events} transitions were made, {waiting} wait")
        pass_time(self._database, mins=61)
