"""The moments at which a worker is killed or cut off, and how it is held there until it is.

Nothing in the product knows of them. At Google's side the stand-in keeps an answer back; in the database a trigger
waits for a lock that the test holds. So a moment is reached for certain, and left only by being killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import sqlalchemy as sa

from support.world import World

_LOCK = 20_270_215


class Moment(Protocol):
    """One moment."""

    def held(self, world: World) -> Iterator[None]:
        """Hold whoever comes to it, as long as the block lasts."""

    def reached(self, world: World) -> bool:
        """Tell whether somebody is held there."""


@dataclass(frozen=True)
class AtGmail:
    """A call of Gmail: on its way there, with its answer on the way back, or on its way and arriving late.

    Attributes:
        method: without ``gmail.users.``, or ``token`` or ``revoke`` for a request to one of these endpoints.
    """

    method: str
    when: Literal["before", "after", "late"]

    @property
    def where(self) -> str:
        """Return the place as the stand-in names it."""
        return self.method if self.method in ("token", "revoke") else f"gmail.users.{self.method}"

    def __str__(self) -> str:
        """Return it as a test's name shows it."""
        return f"{self.method} {self.when}"

    @contextmanager
    def held(self, world: World) -> Iterator[None]:
        """Keep the next answer back; what is late is done all the same, half a second afterwards."""
        late = self.when == "late"
        how = {"delay_ms": 500} if late else {"hang_seconds": 60, "close": True}
        when = "before" if late else self.when
        world.sandbox.add_fault(self.where, times=1, when=when, **how)
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


_VERSION_ROSE = "NEW.version > OLD.version"
_SAME_REFRESH_TOKEN = "NEW.refresh_token IS NOT DISTINCT FROM OLD.refresh_token"
_NEW_HOLDER = "NEW.lease_holder IS DISTINCT FROM OLD.lease_holder"
"""Also true of a lease that is taken over because its holder did not give it back in time."""
_CHANGES = {
    "lease_taken": ("mailbox", "UPDATE", f"{_NEW_HOLDER} AND NEW.lease_holder IS NOT NULL"),
    "claimed": ("ledger", "INSERT", "true"),
    "drafted": ("ledger", "UPDATE", "OLD.status = 'claimed' AND NEW.status = 'drafted'"),
    "sent": ("ledger", "UPDATE", "OLD.status <> 'sent' AND NEW.status = 'sent'"),
    "lease_given_back": ("mailbox", "UPDATE", "OLD.lease_holder IS NOT NULL AND NEW.lease_holder IS NULL"),
    "placed": ("ledger", "UPDATE", "OLD.placement IS NULL AND NEW.placement IS NOT NULL"),
    "rescued": ("ledger", "UPDATE", "OLD.rescued_at IS NULL AND NEW.rescued_at IS NOT NULL"),
    "refresh_leased": ("oauth_grant", "UPDATE", "OLD.lease_holder IS NULL AND NEW.lease_holder IS NOT NULL"),
    "refreshed": ("oauth_grant", "UPDATE", f"{_VERSION_ROSE} AND {_SAME_REFRESH_TOKEN}"),
    "granted": ("oauth_grant", "UPDATE", f"{_VERSION_ROSE} AND NOT ({_SAME_REFRESH_TOKEN})"),
    "renewed": ("oauth_grant", "UPDATE", f"NOT ({_VERSION_ROSE}) AND NOT ({_SAME_REFRESH_TOKEN})"),
    "canary_renewed": ("canary", "UPDATE", "NEW.ciphertext <> OLD.ciphertext"),
    "consent_used": ("consent", "UPDATE", "OLD.used_at IS NULL AND NEW.used_at IS NOT NULL"),
    "consent_noted": ("consent", "UPDATE", "OLD.outcome IS NULL AND NEW.outcome IS NOT NULL"),
    "renamed": ("mailbox", "UPDATE", "NEW.address <> OLD.address"),
    "removal_requested": ("mailbox_removal", "INSERT", "true"),
    "trashed": ("mailbox_removal", "UPDATE", "NEW.trashed_until > OLD.trashed_until"),
    "trash_stored": ("mailbox_removal", "UPDATE", "OLD.step = 'trash' AND NEW.step = 'revoke'"),
    "revoke_stored": ("mailbox_removal", "UPDATE", "OLD.step = 'revoke' AND NEW.step = 'erase'"),
    "anonymized": ("mailbox_removal", "UPDATE", "NEW.receipt <> OLD.receipt AND NEW.finished_at IS NULL"),
    "erased": ("mailbox_removal", "UPDATE", "OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL"),
    "refresh_released": ("oauth_grant", "UPDATE", "OLD.lease_holder IS NOT NULL AND NEW.lease_holder IS NULL"),
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


def _both(change: str) -> tuple[InDatabase, InDatabase]:
    return InDatabase(change, False), InDatabase(change, True)


def _of_call(method: str) -> tuple[AtGmail, ...]:
    return tuple(AtGmail(method, when) for when in ("before", "after", "late"))


OF_REFRESH = (*_both("refresh_leased"), *_of_call("token"), *_both("refreshed"))
OF_CONSENT = (
    *_both("consent_used"), *_of_call("token"), *_of_call("getProfile"), *_both("granted"), *_both("consent_noted"),
)  # fmt: skip
OF_ROTATION = (InDatabase("renewed", True), InDatabase("renewed", True), InDatabase("canary_renewed", True))
OF_RESCUE = (
    *_both("lease_taken"), *_of_call("messages.list"), *_of_call("messages.get"), *_both("placed"),
    *_of_call("messages.modify"), *_both("rescued"), *_both("lease_given_back"),
)  # fmt: skip
OF_REMOVAL = (
    *_both("removal_requested"), *_both("lease_taken"), *_of_call("messages.batchModify"), *_both("trashed"),
    *_both("trash_stored"), *_both("refresh_leased"), *_of_call("revoke"), *_both("refresh_released"),
    *_both("revoke_stored"), *_both("anonymized"), *_both("erased"),
)  # fmt: skip
OF_RENAMING = _both("renamed")
"""Every step of a refresh, a consent's callback, a rotation of the key, a rescue, a removal and a renaming, in their
order."""

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
