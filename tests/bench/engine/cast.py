"""Who takes part in a simulation: warmup and pool mailboxes of many domains in five time zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

ZONES = ("America/Los_Angeles", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Asia/Tokyo")
RATES = ((80, 55), (60, 30), (95, 70))
"""Open and reply rates, in per cent; the first are the defaults."""
WARMUP_DOMAIN, POOL_DOMAIN = 5, 5
"""Mailboxes of one domain."""
SICK, FULL, SMALL = 8, 40, (1, 1, 2)
"""Daily targets: of the domain that goes to spam, of one mailbox with the whole ramp, and of all others in turn. The
ramp itself is the product's default, 5 mails on the first day and 2 more on each further one, up to the target.
"""


@dataclass(frozen=True, kw_only=True)
class Player:
    """One mailbox."""

    address: str
    kind: str
    zone: str
    daily_target: int
    open_rate: int
    reply_rate: int

    @property
    def domain(self) -> str:
        """Return the part of the address behind the @."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, kw_only=True)
class Script:
    """What is played: who, when, under which settings, and what goes wrong.

    Attributes:
        start: midnight in UTC of the first day, which is a Monday.
        spam_chance: of every domain; that of `sick_domain` rises to `sick_chance` with the day `sick_from`, counted
            from 1.
        seed: of the stand-in for Google.
        options: of the product, where they are not the defaults.
    """

    players: Sequence[Player]
    days: int
    start: datetime
    spam_chance: float
    sick_domain: str
    sick_chance: float
    sick_from: int
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> datetime:
        """Return when nothing more is sent."""
        return self.start + timedelta(days=self.days)

    @property
    def sick_at(self) -> datetime:
        """Return when the chance of the sick domain rises."""
        return self.start + timedelta(days=self.sick_from - 1)


def cast(*, warmup: int, pool: int, shard: int, sick: bool, full: int | None) -> list[Player]:
    """Return the mailboxes of one shard; zones, targets and rates are dealt out in turn.

    Args:
        sick: whether the domain that goes to spam is here.
        full: the target of the one mailbox with the whole ramp, if it is here; the pool has to be large enough for it.
    """
    players = []
    for number in range(warmup):
        domain = f"w{shard}{number // WARMUP_DOMAIN:02}.example"
        players.append(_player(f"w{number:03}@{domain}", "warmup", number, _target(number, sick, full)))
    for number in range(pool):
        domain = f"p{shard}{number // POOL_DOMAIN:02}.example"
        players.append(_player(f"p{number:03}@{domain}", "pool", number, SICK))
    return players


def _target(number: int, sick: bool, full: int | None) -> int:
    if sick and number < WARMUP_DOMAIN:
        return SICK
    return full if full and number == WARMUP_DOMAIN else SMALL[number % len(SMALL)]


def _player(address: str, kind: str, number: int, daily_target: int) -> Player:
    open_rate, reply_rate = RATES[number % len(RATES)]
    return Player(
        address=address,
        kind=kind,
        zone=ZONES[number % len(ZONES)],
        daily_target=daily_target,
        open_rate=open_rate,
        reply_rate=reply_rate,
    )


MONDAY = datetime(2027, 2, 15, tzinfo=UTC)
"""Daylight saving begins on 14 March in America and on 28 March in Europe; Asia knows none."""
