"""Who receives a mailbox's next warmup mail."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

REST = timedelta(hours=72)
"""How long a pair rests while there is a choice."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A pool mailbox and what it had so far.

    `received_today` counts its warmup mails of the day from all senders, `pair_today` those of the asking sender;
    `last_pair_at` (aware) is when that sender last wrote to it. `domain` is in lower case.
    """

    id: int
    domain: str
    received_today: int
    pair_today: int
    last_pair_at: datetime | None


def choose(
    candidates: Sequence[Candidate],
    *,
    sender_domain: str,
    now: datetime,
    pool_daily_cap: int,
    pair_daily_cap: int,
    rest: timedelta = REST,
    seed: str,
) -> Candidate | None:
    """Return the partner for a mail, or None when the pool is exhausted for this sender today.

    The caps are hard. Then, in this order: a pair that rested, another domain than the sender's, the fewest mails
    received today, and the seed; the order of `candidates` has no say.
    """

    def rank(candidate: Candidate) -> tuple[bool, bool, int, str]:
        paired = candidate.last_pair_at
        tired = paired is not None and now.astimezone(UTC) - paired.astimezone(UTC) < rest
        # A hash per candidate: one more or less in the pool does not reshuffle the others.
        tie = hashlib.sha256(f"{seed}:{candidate.id}".encode()).hexdigest()
        return tired, candidate.domain == sender_domain, candidate.received_today, tie

    return min(
        (
            candidate
            for candidate in candidates
            if candidate.received_today < pool_daily_cap and candidate.pair_today < pair_daily_cap
        ),
        key=rank,
        default=None,
    )
