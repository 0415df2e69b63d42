"""``gmail-warmup``: the same abilities from a shell."""

from __future__ import annotations

import os

# Outside of tasks and servers Airflow looks for Connections in the environment alone, unless told that this process may
# use the metadata database (task SDK, ensure_secrets_backend_loaded).
os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")

import typer

from gmail_warmup.cli import (
    backlog,
    content,
    dns,
    doctor,
    grants,
    invites,
    kill_switch,
    mailboxes,
    move_in,
    stats,
    upkeep,
)
from gmail_warmup.cli.output import errors

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # it joins the lines of a paragraph
    pretty_exceptions_show_locals=False,  # a local variable may hold a token
    help="Warm Gmail mailboxes up and keep their grants alive. "
    "Exit codes: 0 fine, 1 something needs a person, 2 wrong input or configuration.",
)
app.add_typer(mailboxes.app, name="mailboxes")
app.add_typer(invites.app, name="invites")
app.add_typer(grants.app, name="grants")
app.add_typer(content.app, name="content")
app.add_typer(move_in.app, name="move-in")
app.command(name="doctor")(doctor.doctor)
app.command(name="dns")(dns.dns)
app.command(name="stats")(stats.stats)
app.command(name="backlog")(backlog.backlog)
app.command(name="upkeep")(upkeep.upkeep)
app.command(name="stop")(kill_switch.stop)
app.command(name="start")(kill_switch.start)


@app.command()
def init() -> None:
    """Make the restricted role and the two Connections; run it after 'airflow db migrate'. May be repeated."""
    from gmail_warmup.airflow.bootstrap import initialise

    with errors():
        done = initialise()
    for line in done:
        typer.echo(line)
