"""When and whether a recipient opens, marks, rescues and answers a warmup mail; the draws come from a seed alone."""

from __future__ import annotations

import random
from datetime import timedelta


def read_delay(seed: str) -> timedelta:
    """Return how long after its arrival a mail is opened: 30 seconds to 10 minutes, Beta(2, 5), mostly early."""
    return _between(timedelta(seconds=30), timedelta(minutes=10), _beta(f"read:{seed}", 2, 5))


def reply_delay(seed: str) -> timedelta:
    """Return how long after its opening a mail is answered: 5 to 30 minutes, Beta(2, 3)."""
    return _between(timedelta(minutes=5), timedelta(minutes=30), _beta(f"reply:{seed}", 2, 3))


def marks_important(seed: str, *, rate: int) -> bool:
    """Tell whether an opened mail is marked important, at `rate` per cent of them."""
    return _random(f"important:{seed}").random() * 100 < rate


def is_rescued(seed: str, *, rate: int) -> bool:
    """Tell whether a mail found in spam is moved to the inbox, at `rate` per cent of them."""
    return _random(f"rescue:{seed}").random() * 100 < rate


def held(*, rate: int, done: int, total: int) -> bool:
    """Tell whether the mail after `total` earlier ones, of which `done` were chosen, is chosen as well.

    Error diffusion: what was chosen stays within half a mail of `rate` per cent of all, instead of straying as dice
    do. Count decisions, not finished deeds, or mails in flight are made up for twice.
    """
    return 2 * (rate * (total + 1) - 100 * done) >= 100


def _random(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311  # a habit to imitate, not a secret


def _beta(seed: str, alpha: int, beta: int) -> float:
    """Draw from a Beta distribution of whole parameters: the alpha-th smallest of alpha + beta - 1 even draws.

    Unlike betavariate() it rests on random() alone, the one sequence that Python promises to keep.
    """
    rng = _random(seed)
    return sorted(rng.random() for _ in range(alpha + beta - 1))[alpha - 1]


def _between(low: timedelta, high: timedelta, share: float) -> timedelta:
    return low + (high - low) * share
