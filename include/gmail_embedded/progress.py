"""Progress in the terminal: a line per step, moving while it runs, still when it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_QUIET_SECONDS = 15.0


class Step:
    """A step that runs.

    Attributes:
        title: what is done.
        detail: what is happening now, or in the end what came of it.
    """

    def __init__(self, title: str, console: Console) -> None:
        self.title, self.detail = title, ""
        self._console = console
        self._began = self._told = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")

    @property
    def seconds(self) -> float:
        """Return how long it has run."""
        return time.monotonic() - self._began

    def update(self, detail: str) -> None:
        """Say what is happening; where nothing can move, at most every few seconds."""
        if detail == self.detail:
            return
        self.detail = detail
        if not self._console.is_terminal and time.monotonic() - self._told > _QUIET_SECONDS:
            self._told = time.monotonic()
            self._console.print(self._line("..", "", self.detail), soft_wrap=True)

    def __rich__(self) -> RenderableType:
        """Render the moving line."""
        self._spinner.update(text=self._line("", "", self.detail))
        return self._spinner

    def close(self, *, good: bool, reason: str = "") -> None:
        """Print the line that stays."""
        unicode = self._console.encoding.lower().startswith("utf")
        mark = ("✓" if unicode else "ok") if good else ("✗" if unicode else "FAILED")
        style = "green" if good else "red"
        self._console.print(self._line(mark, style, reason or self.detail), soft_wrap=True)

    def _line(self, mark: str, style: str, detail: str) -> Text:
        line = Text(no_wrap=False)
        if mark:
            line.append(f"{mark} ", style=style)
        line.append(self.title)
        line.append(f"  {self.seconds:.1f} s", style="dim")
        if detail:
            line.append(f"  {detail}", style="red" if style == "red" else "dim")
        return line


class Steps:
    """Shows steps one after the other.

    Args:
        console: where to; by default the standard error, so that the standard output stays for results.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step while the block runs; an exception marks it as failed and goes on."""
        step = Step(title, self.console)
        try:
            if self.console.is_terminal:
                with Live(Group(step), console=self.console, transient=True, refresh_per_second=10):
                    yield step
            else:
                yield step
        except BaseException as error:
            step.close(good=False, reason=_reason(error))
            raise
        step.close(good=True)


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit):
        return "ended by a signal"
    return (str(error) or type(error).__name__).splitlines()[0]
