"""A minimal terminal emulator for the output of ``make demo``: text, colours and rich's cursor movements."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")
_COLOURS = {"31": "red", "32": "green", "33": "yellow", "34": "blue", "35": "magenta", "36": "cyan"}

Cell = tuple[str, str]
"""A character and its CSS classes."""


@dataclass
class Terminal:
    """Emulate a screen that scrolls when it is full."""

    columns: int
    rows: int
    screen: list[list[Cell]] = field(default_factory=lambda: [[]])
    row: int = 0
    column: int = 0
    style: tuple[str, ...] = ()

    def feed(self, text: str) -> None:
        """Process output; an escape sequence must not be split between two calls."""
        at = 0
        while at < len(text):
            found = _SEQUENCE.match(text, at)
            if found:
                self._obey(found[2], found[3])
                at = found.end()
            else:
                self._show(text[at])
                at += 1

    def lines(self) -> list[tuple[Cell, ...]]:
        """Return the lines of the screen."""
        return [tuple(line) for line in self.screen]

    def _show(self, char: str) -> None:
        if char == "\n":
            self._down()
        elif char == "\r":
            self.column = 0
        elif char >= " ":
            if self.column == self.columns:
                self.column = 0
                self._down()
            line = self.screen[self.row]
            line += [(" ", "")] * (self.column + 1 - len(line))
            line[self.column] = (char, " ".join(self.style))
            self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.screen):
            self.screen.append([])
        if len(self.screen) > self.rows:
            del self.screen[0]
            self.row -= 1

    def _obey(self, numbers: str, letter: str) -> None:
        number = int(numbers or 1) if numbers.isdigit() or not numbers else 1
        if letter == "A":
            self.row = max(0, self.row - number)
        elif letter == "K":
            self.screen[self.row] = [] if numbers == "2" else self.screen[self.row][: self.column]
        elif letter == "m":
            for part in (numbers or "0").split(";"):
                self._paint(part)

    def _paint(self, part: str) -> None:
        if part == "0":
            self.style = ()
        elif part in ("1", "2"):
            self.style += ("bold" if part == "1" else "dim",)
        elif part in _COLOURS:
            self.style += (_COLOURS[part],)
