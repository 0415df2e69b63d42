"""A run as Airflow makes one, without Airflow: what is due, action by action; and recovery after a fault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from bench.ground import Ground
from chaos.faults import Fault
from chaos.invariants import Invariants
from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.settings import Settings
from gmail_warmup.crypto import key_check
from gmail_warmup.db.engine import autocommit
from gmail_warmup.gmail.api_breaker import require_api_enabled
from gmail_warmup.warmup.actions.run import run_action
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from support.mail_kit import AT_ONCE
from support.workers import hook
from support.world import World

SETTINGS: Settings = AT_ONCE.model_copy(
    update={
        "ramp_start": 1, "ramp_step": 0, "ramp_cap": 1, "pool_daily_cap": 100_000, "partner_daily_cap": 100_000,
        "connect_timeout": 1.0, "read_timeout": 1.5, "refresh_lease": 30, "suspect_delay": 10,
    }
)  # fmt: skip
"""One thread of two mails for each sender, all of it due at once; short timeouts, for Google is near."""
TURNS = 12
"""Runs after which everything must be done: a mail that is not found is looked for ever later."""


@dataclass
class Run:
    """What a run did, and which errors its tasks ended with."""

    done: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    def __iadd__(self, other: Run) -> Run:
        """Add another run."""
        self.done += other.done
        self.errors += other.errors
        return self


def run(
    world: World, *, settings: Settings = SETTINGS, only: Sequence[str] | None = None, actions: Sequence[Action] = ()
) -> Run:
    """Do what one run of the DAG does; a mailbox that fails never stops the others. Also a job for a worker."""
    world.settings, came = settings, Run()
    for action in actions or Action:
        try:
            with world.store.engine.begin() as connection:
                addresses = find_due_mailboxes(connection, action, settings, only=only)
        except SQLAlchemyError as error:
            came.errors[type(error).__name__] += 1
            continue
        for address in addresses:
            came += task(world, action, address)
    return came


def task(world: World, action: Action, address: str) -> Run:
    """Do what one task does."""
    engine, settings = world.store.engine, world.settings
    try:
        mailbox = world.mailbox(address)
        with require_api_enabled(engine, lambda: world.client.client_id, mailbox_id=mailbox.id, address=address):
            done = run_action(action, mailbox, engine=engine, settings=settings, gmail=hook(world, address))
    except (GmailWarmupError, SQLAlchemyError) as error:
        return Run(errors=Counter([type(error).__name__]))
    return Run(done=Counter(done))


@dataclass
class Scene:
    """A world in which a fault strikes, with what is needed to recover and to look at both sides."""

    ground: Ground
    world: World
    invariants: Invariants

    @classmethod
    def set(cls, ground: Ground, fault: Fault, senders: Sequence[str], *, pool: int = 3) -> Scene:
        """Make an empty world with these senders, each with one mail to send today, and a pool of so many."""
        world = ground.fresh(simulated=True)
        scene = cls(ground, world, Invariants(fault, world))
        scene.leave_midnight()
        for address in names("pool", pool, "pool.example"):
            world.add(address, kind="pool", expired=False)
        with autocommit(world.store.engine) as connection:
            key_check.check_key(connection, world.store.cipher)
        scene.add(senders)
        return scene

    @property
    def fault(self) -> Fault:
        """Return the account of the fault."""
        return self.invariants.fault

    def add(self, senders: Sequence[str]) -> None:
        """Add senders, each with one mail to send today."""
        for address in senders:
            self.world.add(address, kind="warmup", expired=False, open_rate=100, reply_rate=100)
        self.invariants.remember()

    def leave_midnight(self) -> None:
        """Begin nothing on a day that could end meanwhile: what is not sent on its day is withdrawn."""
        ((left,),) = self.world.rows("SELECT extract(epoch FROM date_trunc('day', now()) + interval '1 day' - now())")
        if left < 6 * 3600:
            self.ground.pass_time(timedelta(seconds=float(left) + 1200))

    def expire(self) -> None:
        """Let every access token be used up."""
        self.world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now() - interval '1 second'")

    def due(self, action: Action) -> list[str]:
        """Return the mailboxes in which an action is due."""
        with self.world.store.engine.begin() as connection:
            return find_due_mailboxes(connection, action, SETTINGS)

    def catch_up(self, *actions: Action) -> None:
        """Let leases and pauses end by themselves, and do what is due."""
        self.ground.pass_time(timedelta(seconds=SETTINGS.mailbox_lease + 1))
        run(self.world, actions=actions)

    def recover(self) -> None:
        """Let leases and pauses end by themselves and run until nothing is due any more; then look at everything."""
        last = Run()
        for _ in range(TURNS):
            self.ground.pass_time(timedelta(seconds=SETTINGS.mailbox_lease + 1))
            last = run(self.world)
            if not last.done and not last.errors:
                break
        self.invariants.next_run_clean(last.errors, last.done)
        self.invariants.check()


def names(of: str, count: int, domain: str = "warm.example") -> list[str]:
    """Return addresses."""
    return [f"{of}{number:04}@{domain}" for number in range(count)]
