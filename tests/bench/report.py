"""What a bench measured: a table for people, and one line of JSON."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from bench.ground import Ground

Number = int | float
_TESTS: dict[str, Callable[[Number, Number], bool]] = {"=": operator.eq, "<=": operator.le, ">=": operator.ge}
_SIGNS = {"=": "", "<=": "at most ", ">=": "at least "}


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a figure has to be."""

    sign: str
    bound: Number

    def met(self, value: Number) -> bool:
        """Tell whether a value is what it has to be."""
        return _TESTS[self.sign](value, self.bound)

    def __str__(self) -> str:
        """Return it as the table shows it."""
        return f"{_SIGNS[self.sign]}{_shown(self.bound)}"


def exactly(bound: Number) -> Target:
    """Return the target of one value."""
    return Target(sign="=", bound=bound)


def at_most(bound: Number) -> Target:
    """Return a target with an upper bound."""
    return Target(sign="<=", bound=bound)


def at_least(bound: Number) -> Target:
    """Return a target with a lower bound."""
    return Target(sign=">=", bound=bound)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure that was measured; ``value`` None means that its measurement failed."""

    label: str
    value: Number | None
    unit: str = ""
    target: Target | None = None
    key: str | None = None
    """Its name in the line of JSON, if it stands there."""

    @property
    def missed(self) -> bool:
        """Tell whether it has a target and misses it."""
        return self.target is not None and (self.value is None or not self.target.met(self.value))


Say = Callable[[str], None]
"""Called with what was seen, while it goes on."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a bench; it can be run without the others."""

    name: str
    title: str
    run: Callable[[Ground, Say], list[Figure]]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A bench: its parts, and the keys of its line of JSON."""

    title: str
    parts: Sequence[Part]
    keys: Sequence[str]

    def as_json(self, figures: Iterable[Figure]) -> str:
        """Return the line of JSON; a figure that was not measured is null."""
        found = {figure.key: _rounded(figure.value) for figure in figures}
        return json.dumps({key: found.get(key) for key in self.keys})


def _shown(value: Number | None) -> str:
    if value is None:
        return "failed"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}"


def show(console: Console, title: str, figures: Iterable[Figure]) -> None:
    """Print the table."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure")
    table.add_column("measured", justify="right", style="bold")
    table.add_column("unit")
    table.add_column("target", justify="right")
    table.add_column("verdict")
    for figure in figures:
        verdict = "" if figure.target is None else "[red]missed[/]" if figure.missed else "[green]met[/]"
        table.add_row(
            figure.label, _shown(figure.value), figure.unit, str(figure.target) if figure.target else "", verdict
        )
    console.print(table)


def _rounded(value: Number | None) -> Number | None:
    return round(value, 3) if isinstance(value, float) else value
