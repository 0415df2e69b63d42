"""Run a command's main function: print errors as one line, and no traceback after Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from gmail_embedded.errors import EmbeddedError

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


def run_command(main: Callable[[], int]) -> NoReturn:
    """Run a main function and exit with its code: 2 if it could not start, 130 after Ctrl-C."""
    try:
        code = main()
    except EmbeddedError as error:
        print_error(error)
        code = FAILED if getattr(error, "tail", ()) else WRONG_INPUT
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def print_error(error: EmbeddedError) -> None:
    """Print an error and the last lines of its log."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("Error: ", "bold red"), str(error)))
    for line in getattr(error, "tail", ()):
        console.print(Text(f"  | {line}", style="dim"))
