"""``gmail-warmup upkeep``: what the DAG gmail_token_health does for the tables every day."""

from __future__ import annotations

from typing import Annotated

import typer

from gmail_warmup.cli.output import JsonOption, get_services, print_json, report_errors


def run_upkeep(
    context: typer.Context,
    minutes: Annotated[int, typer.Option(min=1, help="Minutes after which no further batch is begun.")] = 60,
    as_json: JsonOption = False,
) -> None:
    """Move mails that are done with out of the ledger, and remove for good what is older than it is kept for."""
    from gmail_warmup.warmup.ledger.maintenance import run_maintenance

    with report_errors():
        services = get_services(context)
        done = run_maintenance(services.engine, services.settings, longest=60.0 * minutes)
    if as_json:
        print_json(done.as_dict())
        return
    typer.echo(f"{done}.")
    if not done.finished:
        typer.echo("Some of it is left: another run is at it, or the time was up. Run it again.")
