"""The command ``gmail-warmup``: everything that the page does, and administration."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

# Outside of tasks and servers, Airflow reads Connections only from the environment, unless this variable permits access
# to the metadata database (task SDK, ensure_secrets_backend_loaded).
os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
# Airflow warns of every Connection whose type contains an underscore, as those of its own providers do.
os.environ.setdefault("AIRFLOW__LOGGING__NAMESPACE_LEVELS", "airflow.models.connection=error")

try:
    import typer

    from gmail_warmup import __version__
    from gmail_warmup.cli import (
        clients,
        content,
        dns,
        doctor,
        grants,
        invites,
        move_in,
        stats,
        upkeep,
        warmup,
        webhooks,
    )
    from gmail_warmup.cli.mailboxes import commands as mailboxes
    from gmail_warmup.cli.output import guard_outputs, report_errors
    from gmail_warmup.cli.reports import changes, weekly
except KeyboardInterrupt:  # Ctrl-C while the modules load
    sys.exit(130)


class _Program(typer.Typer):
    """The program: an output that cannot be written ends it with one line instead of a traceback."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with guard_outputs():
            return super().__call__(*args, **kwargs)


app = _Program(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # it joins the lines of a paragraph
    pretty_exceptions_show_locals=False,  # a local variable may contain a token
    help="Warm up Gmail mailboxes and keep their OAuth grants valid. "
    "Exit codes: 0 success, 1 something needs a person, 2 invalid input or configuration.",
)
app.add_typer(mailboxes.app, name="mailboxes")
app.add_typer(invites.app, name="invites")
app.add_typer(grants.app, name="grants")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(clients.app, name="clients")
app.add_typer(content.app, name="content")
app.add_typer(move_in.app, name="move-in")
app.command(name="doctor")(doctor.run_doctor)
app.command(name="dns")(dns.check_dns)
app.command(name="stats")(stats.show_stats)
app.command(name="report")(weekly.show_report)
app.command(name="changes")(changes.list_changes)
app.command(name="backlog")(warmup.show_backlog)
app.command(name="upkeep")(upkeep.run_upkeep)
app.command(name="stop")(warmup.stop_all)
app.command(name="start")(warmup.start_all)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gmail-warmup {__version__}")
        raise typer.Exit


@app.callback()
def _prepare(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Print what the terminal cannot show, such as a file name that is not UTF-8, as escape sequences."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@app.command()
def init() -> None:
    """Create the restricted database role, the Connections and the pool, after 'airflow db migrate'. Safe to repeat."""
    from gmail_warmup.airflow.bootstrap import initialize_installation

    with report_errors():
        done = initialize_installation()
    for line in done:
        typer.echo(line)
