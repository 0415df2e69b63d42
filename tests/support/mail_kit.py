"""Helpers for tests of the warmup actions: a small pool, running an action, reading the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_sandbox.control.report_models import MailOut
from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import LedgerEntry as L
from gmail_warmup.warmup.actions.run import run_action
from gmail_warmup.warmup.planning.due import find_due_mailboxes
from support.days import move_days
from support.workers import hook
from support.world import World

ADA, POOL = "ada@warm.example", ("pia@pool.example", "max@pool.example")
HEADER = "x-warmup-id"

AT_ONCE = Settings(
    sending_window="00:00-24:00",
    sending_days="mon,tue,wed,thu,fri,sat,sun",
    min_gap=0,
    run_interval=0,
    delay_scale=1e-9,
    partner_daily_cap=50,
    ramp_start=6,
    mailbox_wait=0,
)
"""Settings with which today's whole plan, and everything that follows from it, is due immediately."""


def get_noon_zone() -> str:
    """Return a time zone in which it is noon, so that hours of today lie before and after now."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"  # the sign of these names is that of the way to Greenwich


def use(world: World, **changes: Any) -> None:
    """Change settings."""
    world.settings = world.settings.model_copy(update=changes)


def act(world: World, action: Action, address: str = ADA) -> dict[str, int]:
    """Run everything that is due for an action in one mailbox."""
    return run_action(
        action,
        world.mailbox(address),
        engine=world.store.engine,
        settings=world.settings,
        gmail=hook(world, address),
    )


def everybody(world: World, *actions: Action, addresses: Sequence[str] = POOL) -> Counter[str]:
    """Run actions in order, each in all given mailboxes, by default those of the pool."""
    done: Counter[str] = Counter()
    for action in actions:
        for address in addresses:
            done.update(act(world, action, address))
    return done


def tonight(hours_left: int = 2) -> str:
    """Return a night pause that began an hour ago (UTC)."""
    now = datetime.now(UTC)
    return f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=hours_left):%H:%M}"


def find_at_night(world: World, addresses: Sequence[str] = POOL) -> Counter[str]:
    """Let mailboxes find their mails in the night pause, and let it end: what they do with them is due now."""
    usual = world.settings
    use(world, delay_scale=1.0, night_pause=tonight())
    done = everybody(world, Action.RESCUE, addresses=addresses)
    world.settings = usual
    for column in ("rescue_due_at", "read_due_at"):
        world.sql(f"UPDATE gmail_warmup.ledger SET {column} = now() WHERE {column} > now()")
    return done


def due(world: World, action: Action) -> list[str]:
    """Return the mailboxes in which an action is due."""
    with world.store.engine.begin() as connection:
        return find_due_mailboxes(connection, action, world.settings)


def ledger(world: World) -> list[Any]:
    """Return all rows of the ledger, oldest first."""
    with world.store.engine.begin() as connection:
        return list(connection.execute(sa.select(L.__table__).order_by(L.id)))


def counted(world: World, *names: str) -> tuple[int, ...]:
    """Return the sums of columns over the days of all mailboxes."""
    (row,) = world.rows(
        f"SELECT {', '.join(f'coalesce(sum({name}), 0)' for name in names)} FROM gmail_warmup.mailbox_day"
    )
    return tuple(map(int, row))


def past(world: World, *, days: float) -> None:
    """Move everything that was sent some days into the past."""
    move_days(world, "mailbox_day", "ledger", days=int(days + 0.5))
    world.sql(
        "UPDATE gmail_warmup.ledger SET claimed_at = claimed_at - make_interval(secs => 86400 * :days),"
        " sent_at = sent_at - make_interval(secs => 86400 * :days),"
        " trash_due_at = trash_due_at - make_interval(secs => 86400 * :days)",
        days=days,
    )


def copy_of(mail: MailOut) -> Any:
    """Return the recipient's copy."""
    return next(copy for copy in mail.copies if copy.mailbox in mail.to)


def labels(world: World, address: str, message_id: str) -> frozenset[str]:
    """Return a message's labels."""
    return hook(world, address).get_message(message_id).labels
