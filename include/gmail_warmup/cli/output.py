"""Shared by the commands: services, errors as one line, tables and JSON output."""

from __future__ import annotations

import codecs
import getpass
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gmail_warmup.core.characters import normalize_reason
from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.transfer.effects import MailboxEffect

OK, NEEDS_PERSON, WRONG_INPUT = 0, 1, 2
CLOSED_PIPE = 141
"""128 plus the number of SIGPIPE."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print a single JSON document.")]

CELL_STYLES = {
    "active": "green", "suspect": "yellow", "needs_reauth": "red", "blocked_by_admin": "red", "account_deleted": "red",
    "disabled": "red", "ready": "green", "resting": "yellow", "not_ready": "red",
    "ok": "green", "warning": "yellow", "problem": "red", "bad": "red", "could_not_tell": "yellow",
}  # fmt: skip


@contextmanager
def report_errors() -> Iterator[None]:
    """Show errors of the package as one line. Any other exception is a defect and keeps its traceback.

    Airflow logs to stdout, so stdout is redirected to stderr until the command prints its result.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except GmailWarmupError as error:
        Console(stderr=True, soft_wrap=True).print(Text.assemble(("Error: ", "red"), str(error)))
        sys.exit(_exit_code(error))


def _exit_code(error: GmailWarmupError) -> int:
    from gmail_warmup.oauth.errors import GrantError, OAuthClientError, UnreadableGrantError

    is_mailbox_error = isinstance(error, GrantError) and not isinstance(error, OAuthClientError | UnreadableGrantError)
    return NEEDS_PERSON if is_mailbox_error else WRONG_INPUT


class _Output(io.TextIOWrapper):
    """Stdout or stderr that ends the program with one line, instead of a traceback, when it cannot be written."""

    def write(self, text: str, /) -> int:
        """Write a text."""
        with self._end_on_error():
            return super().write(text)

    def flush(self) -> None:
        """Write the buffer."""
        with self._end_on_error():
            super().flush()

    @contextmanager
    def _end_on_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # The interpreter writes the buffer once more when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):  # its reader, such as head, has enough
                sys.exit(CLOSED_PIPE)
            sys.stderr.write(f"Error: {self.name.strip('<>')} cannot be written: {error.strerror}.\n")
            sys.exit(WRONG_INPUT)


@contextmanager
def guard_outputs() -> Iterator[None]:
    """Make stdout and stderr end the program with one line when they cannot be written."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            guarded = _Output(stream.buffer, stream.encoding, "backslashreplace", line_buffering=stream.line_buffering)
            setattr(sys, name, guarded)
    try:
        yield
    finally:
        if sys.stdout:
            sys.stdout.flush()


def get_services(context: typer.Context) -> Services:
    """Return the checked services; tests put their own into the context.

    Raises:
        ConfigurationError: if key, database or schema are not ready.
    """
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.core.enums import ChangeSource
    from gmail_warmup.mailboxes.change_log import change_source
    from gmail_warmup.oauth.grant import Actor

    change_source.set(ChangeSource.CLI)
    services = context.find_object(Services) or Services(Actor(name=actor_name()))
    services.check_installation()
    return services


def actor_name() -> str:
    """Return the actor that the history records."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # in a container, the user id may have no name
        return "cli"


def make_console(*, stderr: bool = False) -> Console:
    """Return a console of at most 100 columns."""
    console = Console(highlight=False, stderr=stderr)
    console.width = min(console.width, 100) if console.is_terminal else 100
    return console


def print_json(value: Any) -> None:
    """Print a value as JSON, which is always UTF-8: for another encoding of stdout, in ASCII with escapes."""
    is_utf8 = codecs.lookup(getattr(sys.stdout, "encoding", None) or "utf-8").name == "utf-8"
    typer.echo(json.dumps(value, indent=2, default=_to_json_value, ensure_ascii=not is_utf8))


def _to_json_value(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


_FOLDED_WIDTH = 24
"""Width below which a column of sentences is not wrapped."""


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, fold: str) -> None:
    """Print rows as a table; the column ``fold`` is wrapped between words.

    A table that needs more is wider than a narrow terminal, which then wraps its lines: no cell is cut off.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    cells = [[Text.from_markup(format_cell(value)) for value in row] for row in rows]
    widths = []
    for at, title in enumerate(titles):
        texts = [title, *(row[at].plain for row in cells)]
        width = max(map(cell_len, texts))
        if title == fold:
            longest_word = max(cell_len(word) for text in texts for word in text.split())
            width = max(min(width, _FOLDED_WIDTH), longest_word)
        table.add_column(Text(title), overflow="fold", no_wrap=title != fold, min_width=width)
        widths.append(width + 2)
    for row in cells:
        table.add_row(*row)
    console = make_console()
    console.width = max(console.width, sum(widths))
    console.print(table)


MAX_EFFECTS = 200
"""Maximum number of mailboxes that a dry run shows; ``--json`` contains all of them."""


def print_effects(effects: Sequence[MailboxEffect]) -> None:
    """Print what an import would do to each mailbox, and why; what a person has to do comes first."""
    from gmail_warmup.transfer.effects import sort_by_urgency

    if not effects:
        return
    rows = [
        (effect.source, effect.address, f"{effect.describe()}: {effect.why}" if effect.why else effect.describe())
        for effect in sort_by_urgency(effects)[:MAX_EFFECTS]
    ]
    typer.echo("")
    print_table(("source", "mailbox", "what happens"), rows, fold="what happens")
    if len(effects) > MAX_EFFECTS:
        typer.echo(f"... and {len(effects) - MAX_EFFECTS:,} more; --json lists all of them.")


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Print one line per name and value."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, f"{format_cell(value)} UTC" if isinstance(value, datetime) else format_cell(value))
    make_console().print(table)


def format_cell(value: object) -> str:
    """Format a value for a table. Times are in UTC; the title of the column says so."""
    if value is None or value == "":
        return "[dim]-[/]"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = escape(str(value))
    return f"[{CELL_STYLES[text]}]{text}[/]" if text in CELL_STYLES else text


def parse_reason(reason: str) -> str:
    """Return the value of ``--reason``.

    Raises:
        InvalidInputError: naming the rule that it breaks.
    """
    if not reason.strip():
        raise InvalidInputError("--reason is empty. Give a short reason; page and logs show it.")
    try:
        return normalize_reason(reason)
    except ValueError as error:
        raise InvalidInputError(f"--reason {error}.") from None
