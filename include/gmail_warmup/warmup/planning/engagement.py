"""Decide whether a recipient opens, marks, rescues and answers a warmup mail, and when, from a seed alone."""

from __future__ import annotations

import random
from datetime import timedelta


def delay_until_reply(seed: str) -> timedelta:
    """Return the time from opening to the reply: 5 to 30 minutes, Beta(2, 3)."""
    return _interpolate_delay(timedelta(minutes=5), timedelta(minutes=30), _sample_beta(f"reply:{seed}", 2, 3))


def is_marked_important(seed: str, *, rate: int) -> bool:
    """Return whether an opened mail is marked important, for `rate` per cent of the seeds."""
    return _is_selected("important", seed, rate)


def is_starred(seed: str, *, rate: int) -> bool:
    """Return whether an opened mail gets a star, for `rate` per cent of the seeds."""
    return _is_selected("star", seed, rate)


def is_rescued(seed: str, *, rate: int) -> bool:
    """Return whether a mail found in spam is moved to the inbox, for `rate` per cent of the seeds."""
    return _is_selected("rescue", seed, rate)


def continues_thread(seed: str, *, rate: int) -> bool:
    """Return whether a reply is answered again, for `rate` per cent of the seeds."""
    return _is_selected("turn", seed, rate)


def is_next_selected(*, rate: int, done: int, total: int) -> bool:
    """Return whether the next mail is selected, after `total` earlier mails of which `done` were selected.

    Error diffusion: the number of selected mails stays within half a mail of `rate` per cent, with no random error.
    Count decisions, not completed actions; otherwise mails in progress are compensated twice.
    """
    return 2 * (rate * (total + 1) - 100 * done) >= 100


def _is_selected(name: str, seed: str, rate: int) -> bool:
    return _create_random(f"{name}:{seed}").random() * 100 < rate


def _create_random(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311  # variety, not a secret


def _sample_beta(seed: str, alpha: int, beta: int) -> float:
    """Draw from a Beta distribution with integer parameters: the alpha-th smallest of alpha + beta - 1 uniform draws.

    Unlike betavariate(), it uses random() only, whose sequence Python guarantees across versions.
    """
    rng = _create_random(seed)
    return sorted(rng.random() for _ in range(alpha + beta - 1))[alpha - 1]


def _interpolate_delay(low: timedelta, high: timedelta, share: float) -> timedelta:
    return low + (high - low) * share
