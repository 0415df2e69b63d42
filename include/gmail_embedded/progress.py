"""Progress in the terminal: one line per step, animated while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

_SECONDS_BETWEEN_LINES = 15.0


class Step:
    """A running step.

    Attributes:
        title: what the step does.
        detail: its current state, or its result.
    """

    def __init__(self, title: str, console: Console) -> None:
        self.title, self.detail = title, ""
        self._console = console
        self._started = self._printed_at = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")

    @property
    def seconds(self) -> float:
        """Return its running time."""
        return time.monotonic() - self._started

    def update(self, detail: str) -> None:
        """Show the current state; without a terminal, at most every few seconds."""
        if detail == self.detail:
            return
        self.detail = detail
        if not self._console.is_terminal and time.monotonic() - self._printed_at > _SECONDS_BETWEEN_LINES:
            self._printed_at = time.monotonic()
            self._console.print(self._format_line("..", "", self.detail), soft_wrap=True)

    def __rich__(self) -> RenderableType:
        """Render the animated line."""
        self._spinner.update(text=self._format_line("", "", self.detail))
        return self._spinner

    def close(self, *, success: bool, reason: str = "") -> None:
        """Print the final line."""
        unicode = self._console.encoding.lower().startswith("utf")
        mark = ("✓" if unicode else "ok") if success else ("✗" if unicode else "FAILED")
        style = "green" if success else "red"
        self._console.print(self._format_line(mark, style, reason or self.detail), soft_wrap=True)

    def _format_line(self, mark: str, style: str, detail: str) -> Text:
        line = Text(no_wrap=False)
        if mark:
            line.append(f"{mark} ", style=style)
        line.append(self.title)
        line.append(f"  {self.seconds:.1f} s", style="dim")
        if detail:
            line.append(f"  {detail}", style="red" if style == "red" else "dim")
        return line


class Progress:
    """Shows the steps of a command.

    Args:
        console: default standard error, so that standard output contains only results.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step while the block runs; an exception marks it as failed and propagates."""
        step = Step(title, self.console)
        try:
            if self.console.is_terminal:
                with Live(Group(step), console=self.console, transient=True, refresh_per_second=10):
                    yield step
            else:
                yield step
        except BaseException as error:
            step.close(success=False, reason=_describe_error(error))
            raise
        step.close(success=True)


def _describe_error(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, SystemExit):
        return "ended by a signal"
    return (str(error) or type(error).__name__).splitlines()[0]
