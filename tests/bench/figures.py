"""Figures of a benchmark: measured, compared with what is promised, shown to people and programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure; ``target`` says in words what is promised, or is empty where nothing is."""

    name: str
    value: float
    target: str = ""
    met: bool = True


@dataclass
class Figures:
    """What a benchmark measured, in order."""

    console: Console
    taken: list[Figure] = field(default_factory=list)

    def exactly(self, name: str, value: float, promised: float) -> None:
        """Take a figure that has to be a certain one."""
        self._take(Figure(name=name, value=value, target=f"{promised:g}", met=value == promised))

    def at_most(self, name: str, value: float, promised: float) -> None:
        """Take a figure that must not be more."""
        self._take(Figure(name=name, value=round(value, 3), target=f"<= {promised:g}", met=value <= promised))

    def at_least(self, name: str, value: float, promised: float) -> None:
        """Take a figure that must not be less."""
        self._take(Figure(name=name, value=round(value, 3), target=f">= {promised:g}", met=value >= promised))

    def just(self, name: str, value: float) -> None:
        """Take a figure about which nothing is promised."""
        self._take(Figure(name=name, value=round(value, 3)))

    def say(self, what: object) -> None:
        """Say what is being done, or came of it."""
        self.console.print(str(what), style="dim", highlight=False, soft_wrap=True)

    def end(self) -> int:
        """Show the table, then one JSON object as the last line; return the exit code."""
        table = Table(box=None, pad_edge=False)
        for title in ("figure", "measured", "promised", ""):
            table.add_column(title, justify="right" if title == "measured" else "left")
        for figure in self.taken:
            verdict = "" if not figure.target else "[green]kept[/]" if figure.met else "[red]missed[/]"
            table.add_row(figure.name, f"{figure.value:g}", figure.target, verdict)
        self.console.print(table)
        print(json.dumps({figure.name: figure.value for figure in self.taken}), flush=True)
        return 0 if all(figure.met for figure in self.taken) else 1

    def _take(self, figure: Figure) -> None:
        self.taken.append(figure)
