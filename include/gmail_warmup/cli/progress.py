"""Progress of a command that may take long: on stderr, and only if that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gmail_warmup.cli.output import make_console


@contextmanager
def show_progress(title: str, *, as_json: bool, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show what a command does until the block ends; yield a function that sets the number of finished items.

    Args:
        as_json: show nothing, because a program reads the output.
        total: number of items for a bar; without it a spinner and the elapsed time are shown.
    """
    screen = make_console(stderr=True)
    bar = () if total is None else (BarColumn(), MofNCompleteColumn())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *bar, TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=as_json or not screen.is_terminal) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)
