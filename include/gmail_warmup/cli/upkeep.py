"""``gmail-warmup upkeep``: the daily maintenance of the tables, which the DAG gmail_token_health also runs."""

from __future__ import annotations

from typing import Annotated

import typer

from gmail_warmup.cli.output import JsonOption, get_services, print_json, report_errors
from gmail_warmup.cli.progress import show_progress


def run_upkeep(
    context: typer.Context,
    minutes: Annotated[int, typer.Option(min=1, help="No new batch starts after this many minutes.")] = 60,
    as_json: JsonOption = False,
) -> None:
    """Move finished mail from the ledger to its history, and delete rows past their retention period."""
    from gmail_warmup.warmup.ledger.maintenance import run_maintenance

    with report_errors():
        services = get_services(context)
        with show_progress("Moving and deleting old rows", as_json=as_json):
            done = run_maintenance(services.engine, services.settings, longest=60.0 * minutes)
    if as_json:
        print_json(done.as_dict())
        return
    typer.echo(f"{done}.")
    if not done.finished:
        typer.echo("Not finished: another run is active or the time limit was reached. Run the command again.")
