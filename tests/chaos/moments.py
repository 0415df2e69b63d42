"""The moments at which a worker that sends a mail is killed, and how it is held there until it is.

Nothing in the product knows of them. At Google's side the stand-in keeps an answer back; in the database a trigger
waits for a lock that the test holds. So a moment is reached for certain, and left only by being killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import sqlalchemy as sa

from world import World

_LOCK = 20_270_215


class Moment(Protocol):
    """One moment."""

    def held(self, world: World) -> Iterator[None]:
        """Hold whoever comes to it, as long as the block lasts."""

    def reached(self, world: World) -> bool:
        """Tell whether somebody is held there."""


@dataclass(frozen=True)
class AtGmail:
    """A call of Gmail: on its way there, with its answer on the way back, or on its way and arriving late."""

    method: str
    when: Literal["before", "after", "late"]

    def __str__(self) -> str:
        """Return it as a test's name shows it."""
        return f"{self.method} {self.when}"

    @contextmanager
    def held(self, world: World) -> Iterator[None]:
        """Keep the next answer back; what is late is done all the same, half a second afterwards."""
        late = self.when == "late"
        how = {"delay_ms": 500} if late else {"hang_seconds": 60, "close": True}
        when = "before" if late else self.when
        world.sandbox.add_fault(f"gmail.users.{self.method}", times=1, when=when, **how)
        yield
        world.sandbox.clear_faults()

    def reached(self, world: World) -> bool:
        """Tell whether the stand-in has the call."""
        return any(fault.hits for fault in world.sandbox.faults())


@dataclass(frozen=True)
class InDatabase:
    """A change of a row, in a transaction that is rolled back, or whose commit goes through unnoticed."""

    change: str
    committed: bool

    def __str__(self) -> str:
        """Return it as a test's name shows it."""
        return f"{self.change} {'committed' if self.committed else 'rolled back'}"

    @contextmanager
    def held(self, world: World) -> Iterator[None]:
        """Let the change wait."""
        with world.store.engine.connect() as holder:
            holder.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
            holder.commit()
            name = f"{self.change}_{'deferred' if self.committed else 'now'}"
            world.sql("INSERT INTO held.moment VALUES (:name)", name=name)
            yield
            world.sql("DELETE FROM held.moment")
            holder.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))

    def reached(self, world: World) -> bool:
        """Tell whether a session waits for the lock."""
        return world.rows("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != [(0,)]


_CHANGES = {
    "lease_taken": ("mailbox", "UPDATE", "OLD.lease_holder IS NULL AND NEW.lease_holder IS NOT NULL"),
    "claimed": ("ledger", "INSERT", "true"),
    "drafted": ("ledger", "UPDATE", "OLD.status = 'claimed' AND NEW.status = 'drafted'"),
    "sent": ("ledger", "UPDATE", "OLD.status <> 'sent' AND NEW.status = 'sent'"),
    "lease_given_back": ("mailbox", "UPDATE", "OLD.lease_holder IS NOT NULL AND NEW.lease_holder IS NULL"),
}

MOMENTS: tuple[AtGmail | InDatabase, ...] = (
    InDatabase("lease_taken", False),
    InDatabase("lease_taken", True),
    InDatabase("claimed", False),
    InDatabase("claimed", True),
    AtGmail("drafts.create", "before"),
    AtGmail("drafts.create", "after"),
    AtGmail("drafts.create", "late"),
    InDatabase("drafted", False),
    InDatabase("drafted", True),
    AtGmail("drafts.send", "before"),
    AtGmail("drafts.send", "after"),
    AtGmail("drafts.send", "late"),
    AtGmail("messages.get", "before"),
    AtGmail("messages.get", "after"),
    AtGmail("messages.modify", "before"),
    AtGmail("messages.modify", "after"),
    InDatabase("sent", False),
    InDatabase("sent", True),
    InDatabase("lease_given_back", False),
    InDatabase("lease_given_back", True),
)
"""Every step of a mail from the task's first to its last, in their order."""

WHILE_RECOVERING: tuple[AtGmail, ...] = (
    AtGmail("drafts.list", "before"),
    AtGmail("drafts.create", "after"),
    AtGmail("drafts.send", "before"),
    AtGmail("drafts.send", "after"),
    AtGmail("messages.list", "before"),
    AtGmail("messages.modify", "after"),
)
"""Steps of a task that finds a mail begun; which of them come depends on where the first one was killed."""


def install(world: World) -> None:
    """Put the triggers into the world's database; they wait only where a test says so."""
    with world.store.engine.begin() as connection:
        for statement in (
            "CREATE SCHEMA held",
            "CREATE TABLE held.moment (name text)",
            "CREATE FUNCTION held.wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF EXISTS (SELECT 1 FROM held.moment WHERE name = TG_ARGV[0]) THEN"
            f" PERFORM pg_advisory_xact_lock({_LOCK}); END IF; RETURN NULL; END $$",
        ):
            connection.exec_driver_sql(statement)
        for change, (table, event, condition) in _CHANGES.items():
            at = f"ON gmail_warmup.{table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION held.wait"
            deferred = at.replace(" FOR EACH", " DEFERRABLE INITIALLY DEFERRED FOR EACH")
            connection.exec_driver_sql(f"CREATE TRIGGER held_{change}_now AFTER {event} {at}('{change}_now')")
            connection.exec_driver_sql(
                f"CREATE CONSTRAINT TRIGGER held_{change}_deferred AFTER {event} {deferred}('{change}_deferred')"
            )


def remove(world: World) -> None:
    """Take the triggers away again."""
    world.sql("DROP SCHEMA held CASCADE")
