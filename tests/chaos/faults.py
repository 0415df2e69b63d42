"""What one test did to the product and what it found: how often a fault struck, what was checked, what was violated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

PROPERTY = "fault"
"""Under this name a test's report carries what it found, for the table of ``make chaos``."""


@dataclass
class Fault:
    """One kind of fault, as the table names it.

    Attributes:
        injected: how often it struck.
        checked: how many times an invariant was looked at.
        violations: what was found broken, in words.
    """

    name: str
    injected: int = 0
    checked: int = 0
    violations: list[str] = field(default_factory=list)

    def struck(self, times: int = 1) -> None:
        """Count that it struck."""
        self.injected += times

    def check(self, holds: bool, otherwise: str) -> None:
        """Look at one invariant; one that is broken is noted, so that all others are looked at as well."""
        self.found([] if holds else [otherwise])

    def found(self, violations: Iterable[str], *, checked: int = 1) -> None:
        """Note what was found where so many things were looked at."""
        self.checked += checked
        self.violations += violations

    def hold(self) -> None:
        """Fail if anything was broken, or if nothing was struck or looked at, for then nothing is known."""
        print(f"{self.name}: struck {self.injected} times, {self.checked} checks, {len(self.violations)} violations")
        assert self.violations == []
        assert self.injected > 0, f"{self.name}: it never struck"
        assert self.checked > 0, f"{self.name}: nothing was checked"


NewFault = Callable[[str], Fault]
"""The fixture ``fault``: begins the account of one kind of fault."""
