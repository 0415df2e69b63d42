"""Feeds parsers with made inputs, counts them, and keeps what went wrong: an error, or one input that took too long."""

from __future__ import annotations

import random
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fuzz.mutator import Mutator
from fuzz.parsers import PARSERS, Parser

SECONDS = 2.0
"""What one input may take. The slowest ones take a hundredth of it on a quiet machine."""
KEPT = 20


@dataclass
class Fed:
    """What came of feeding: how many inputs, and each that broke a promise, with the seed that makes it again."""

    inputs: int = 0
    server_errors: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def note(self, failure: str) -> None:
        """Keep a failure; the first ones are enough."""
        self.server_errors += 1
        if len(self.failures) < KEPT:
            self.failures.append(failure)

    def add(self, other: Fed) -> None:
        """Take another result in."""
        self.inputs += other.inputs
        self.server_errors += other.server_errors
        self.failures = (self.failures + other.failures)[:KEPT]
        self.slowest = max(self.slowest, other.slowest)


class _TooLongError(Exception):
    """One input took longer than any may."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise in the main thread when a block takes longer, also if it never ends."""

    def ring(*_: object) -> None:
        raise _TooLongError(f"longer than {seconds} s")

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def feed(parser: Parser, inputs: int, *, seed: int) -> Fed:
    """Feed one parser with so many inputs; each has a seed of its own, so that it can be made again alone."""
    fed = Fed()
    for number in range(inputs):
        name = f"{seed}/{parser.name}/{number}"
        fed.inputs += 1
        began = time.process_time()
        try:
            with limited(20 * SECONDS):
                feed_one(parser, name)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            fed.note(f"{name}: {type(error).__name__} in {where.name}, line {where.lineno}: {str(error)[:200]}")
            continue
        seconds = time.process_time() - began  # of this process: others may keep the processor
        fed.slowest = max(fed.slowest, (seconds, name))
        if seconds > SECONDS:
            fed.note(f"{name}: took {seconds:.1f} s")
    return fed


def feed_one(parser: Parser, name: str) -> None:
    """Feed the one input that a failure names, to look at it."""
    source = random.Random(name)
    parser.feed(Mutator(source, parser.examples), source)


def feed_all(inputs: int, *, seed: int) -> Fed:
    """Feed all parsers with so many inputs together."""
    shares = {parser: 1 / parser.cost for parser in PARSERS}
    fed = Fed()
    for parser, share in shares.items():
        fed.add(feed(parser, max(1, round(inputs * share / sum(shares.values()))), seed=seed))
    return fed
