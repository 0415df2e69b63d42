"""What the commands share: services, errors as one line, tables for people and one JSON document for programs."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gmail_warmup.core.errors import GmailWarmupError

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services

OK, NEEDS_PERSON, WRONG_INPUT = 0, 1, 2

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

CELL_STYLES = {
    "active": "green", "suspect": "yellow", "needs_reauth": "red", "blocked_by_admin": "red", "account_deleted": "red",
    "disabled": "red", "ok": "green", "warning": "yellow", "problem": "red", "bad": "red", "could_not_tell": "yellow",
}  # fmt: skip


@contextmanager
def report_errors() -> Iterator[None]:
    """Show the package's own errors as one line; anything else is a defect and keeps its traceback.

    Airflow logs to stdout; that is kept for what a command prints after its work.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except GmailWarmupError as error:
        Console(stderr=True, soft_wrap=True).print(Text.assemble(("Error: ", "red"), str(error)))
        sys.exit(_exit_code(error))


def _exit_code(error: GmailWarmupError) -> int:
    from gmail_warmup.oauth.errors import GrantError, OAuthClientError, UnreadableGrantError

    of_a_mailbox = isinstance(error, GrantError) and not isinstance(error, OAuthClientError | UnreadableGrantError)
    return NEEDS_PERSON if of_a_mailbox else WRONG_INPUT


def get_services(context: typer.Context) -> Services:
    """Return the services, checked; a caller may have put them into the context.

    Raises:
        ConfigurationError: if key, database or schema are not ready.
    """
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.oauth.grant_store import Actor

    services = context.find_object(Services) or Services(Actor(name=actor_name()))
    services.check_installation()
    return services


def actor_name() -> str:
    """Return who acts, for the history."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "cli"


def make_console(*, stderr: bool = False) -> Console:
    """Return the console for people; no wider than what reads well."""
    made = Console(highlight=False, stderr=stderr)
    made.width = min(made.width, 100) if made.is_terminal else 100
    return made


def print_json(value: Any) -> None:
    """Print the one JSON document."""
    typer.echo(json.dumps(value, indent=2, default=_to_json_value, ensure_ascii=False))


def _to_json_value(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, fold: str) -> None:
    """Print rows as a table; the column ``fold`` gives way where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title != fold)
    for row in rows:
        table.add_row(*(format_cell(value) for value in row))
    make_console().print(table)


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names and values, a line each."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, f"{format_cell(value)} UTC" if isinstance(value, datetime) else format_cell(value))
    make_console().print(table)


def format_cell(value: object) -> str:
    """Return a value as a table shows it; the zone of a time is UTC, which its title says."""
    if value is None or value == "":
        return "[dim]-[/]"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = escape(str(value))
    return f"[{CELL_STYLES[text]}]{text}[/]" if text in CELL_STYLES else text
