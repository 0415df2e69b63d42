"""Workers killed at every step of a first mail, a reply and a follow-up: each mail is at Google once, none is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from bench.fleet import Worker, one_worker
from bench.ground import Ground
from chaos.faults import NewFault
from chaos.kills import until
from chaos.moments import MOMENTS, WHILE_RECOVERING, AtGmail, InDatabase, install, remove
from chaos.victims import act, begin, end
from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from support.mail_kit import AT_ONCE, HEADER
from support.world import World

POOL = ("pia@pool.example", "max@pool.example", "zoe@pool.example")
THREAD = 3
"""Mails of one round: a first mail, its reply, a follow-up."""
SETTINGS: Settings = AT_ONCE.model_copy(
    update={"ramp_start": 1, "ramp_step": 0, "ramp_cap": 1, "thread_depth": THREAD, "pool_daily_cap": 100_000}
)
KINDS = ("first mail", "reply", "follow-up")
SEED = 20_270_215
PARTS = 10
"""Of the thousand rounds: the file with the most tests is begun first when files run side by side."""


@dataclass
class Kills:
    """Rounds of killing, one thread of mails each.

    Attributes:
        killed: at how many moments of each kind of mail a worker died.
    """

    world: World
    ground: Ground
    worker: Worker
    random: random.Random
    killed: Counter[str] = field(default_factory=Counter)

    def round(self, sender: str, kind: str, moment: AtGmail | InDatabase) -> None:
        """Let one thread come to its end, with a worker killed at a moment of one of its mails."""
        self.leave_midnight()
        self.world.add(sender, kind="warmup", expired=False, open_rate=100, reply_rate=100)
        if kind != "first mail":
            self.go_on(sender, Action.SEND, Action.RESCUE, Action.READ)
        if kind == "follow-up":
            self.go_on(sender, Action.REPLY, Action.COLLECT, once=True)
        action = Action.SEND if kind == "first mail" else Action.REPLY
        self.kill(action, self.who(sender, action), moment)
        if self.random.random() < 0.5:
            self.kill_again(action, self.who(sender, action), self.random.choice(WHILE_RECOVERING))
        for _ in range(THREAD + 1):
            self.go_on(sender, *Action)

    def leave_midnight(self) -> None:
        """Begin no round whose day could end in the middle: what is not sent on its day is withdrawn."""
        ((left,),) = self.world.rows("SELECT extract(epoch FROM date_trunc('day', now()) + interval '1 day' - now())")
        if left < 3600:
            self.ground.pass_time(timedelta(seconds=float(left) + 60))

    def who(self, sender: str, action: Action) -> str | None:
        """Return the mailbox of this thread in which an action is due."""
        with self.world.store.engine.begin() as connection:
            found = find_due_mailboxes(connection, action, SETTINGS, only=(sender, *POOL))
        return found[0] if found else None

    def kill(self, action: Action, address: str | None, moment: AtGmail | InDatabase) -> None:
        """Kill a worker at a moment, for certain."""
        assert address, f"nothing is due for {action}"
        with moment.held(self.world):
            pid = self.worker.do(begin, action=action, address=address, settings=SETTINGS)
            until(lambda: moment.reached(self.world), f"{action} in {address} did not come to {moment}")
            os.kill(pid, signal.SIGKILL)
            assert self.worker.do(end, pid=pid) == -signal.SIGKILL
        self.killed[str(moment)] += 1
        self.let_leases_end()

    def kill_again(self, action: Action, address: str | None, moment: AtGmail) -> None:
        """Kill the one who takes up what the dead one left, if it comes to a moment."""
        if address is None:
            return
        with moment.held(self.world):
            pid = self.worker.do(begin, action=action, address=address, settings=SETTINGS)
            end_job = time.monotonic() + 20
            while not moment.reached(self.world) and time.monotonic() < end_job and not over(pid):
                time.sleep(0.005)
            os.kill(pid, signal.SIGKILL)  # a process that ended by itself is still waited for, so the id is its own
            if self.worker.do(end, pid=pid) == -signal.SIGKILL:
                self.killed[f"again at {moment}"] += 1
        self.let_leases_end()

    def let_leases_end(self) -> None:
        """Let the lease of the dead end by itself."""
        self.ground.pass_time(timedelta(seconds=SETTINGS.mailbox_lease + 1))

    def go_on(self, sender: str, *actions: Action, once: bool = False) -> None:
        """Do what is due in the mailboxes of this thread."""
        for action in actions:
            with self.world.store.engine.begin() as connection:
                due = find_due_mailboxes(connection, action, SETTINGS, only=(sender, *POOL))
            for address in due[:1] if once else due:
                act(self.world, action, address, SETTINGS)


def over(pid: int) -> bool:
    """Tell whether a process ended and is waited for."""
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture
def kills(ground: Ground) -> Iterator[Kills]:
    world = ground.fresh(simulated=True)
    for address in POOL:
        world.add(address, kind="pool", expired=False)
    install(world)
    try:
        with one_worker(ground, simulated=True) as worker:
            yield Kills(world, ground, worker, random.Random(SEED))
    finally:
        remove(world)


def parts() -> list[object]:
    """Return the first round and the number of rounds: a turn of all moments, and a thousand rounds in parts."""
    part = 1_000 // PARTS
    full = [pytest.param(first, part, id=f"full-{first}", marks=pytest.mark.chaos) for first in range(0, 1_000, part)]
    return [pytest.param(0, len(MOMENTS), id="short", marks=pytest.mark.e2e), *full]


@pytest.mark.parametrize(("first", "rounds"), parts())
def test_killed_at_every_step_each_mail_is_sent_exactly_once(kills: Kills, fault: NewFault, first: int, rounds: int):
    # The kinds turn with every moment, and begin one further after each turn of the moments.
    numbers = range(first, first + rounds)
    senders = [f"s{number:04}@warm.example" for number in numbers]
    kills.random.seed(SEED + first)
    for number, sender in zip(numbers, senders, strict=True):
        turn, place = divmod(number, len(MOMENTS))
        kills.round(sender, KINDS[(place + turn) % len(KINDS)], MOMENTS[place])
    until(lambda: kills.world.sandbox.stats().totals.in_flight == 0, "a late call is still under way")
    mails = [mail for mail in all_mails(kills.world) if HEADER in mail.headers]
    tokens = Counter(mail.headers[HEADER] for mail in mails)
    answered = Counter(mail.headers["in-reply-to"] for mail in mails if "in-reply-to" in mail.headers)
    firsts = Counter(mail.sender for mail in mails if "in-reply-to" not in mail.headers)
    duplicates = sum(count - 1 for counts in (tokens, answered) for count in counts.values())
    duplicates += sum(count - 1 for count in firsts.values())
    losses = THREAD * rounds - (len(mails) - duplicates)
    print(f"{sum(kills.killed.values())} kills in {rounds} threads: {duplicates} duplicates, {losses} losses")
    print(dict(sorted(kills.killed.items())))
    account = fault("task killed: send, reply, follow-up")
    account.struck(sum(kills.killed.values()))
    wrong = {"sent twice": duplicates, "lost": losses}
    account.found((f"{count} mails {what}" for what, count in wrong.items() if count), checked=THREAD * rounds)
    account.hold()
    assert firsts.keys() == set(senders)
    assert {str(moment) for moment in MOMENTS} <= kills.killed.keys()


def all_mails(world: World) -> list:
    """Return every mail that Google accepted."""
    found: list = []
    while page := world.sandbox.mails(after=len(found), limit=10_000):
        found += page
    return found
