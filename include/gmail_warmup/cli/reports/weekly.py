"""``gmail-warmup report``: the report of a week."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from gmail_warmup.cli.output import JsonOption, get_services, print_json, report_errors


def show_report(
    context: typer.Context,
    domain: Annotated[str, typer.Option(help="Only mailboxes of this domain.")] = "",
    tag: Annotated[str, typer.Option(help="Only mailboxes with this tag.")] = "",
    week: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="A day of the week. Default: the last complete one."),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show mails, grants, what needs a person and readiness of one week, next to the week before."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.warmup.reporting.weekly.report import format_report, load_weekly_report, write_report_csv
    from gmail_warmup.warmup.reporting.weekly.scope import build_scope

    with report_errors():
        scope, engine = build_scope(domain=domain, tag=tag), get_services(context).engine
        with read_transaction(engine, snapshot=True) as connection:
            report = load_weekly_report(connection, scope, week=week.date() if week else None)
    if as_json:
        values: dict[str, Any] = asdict(report)
        print_json(values | {"end": report.end})
    elif as_csv:
        typer.echo(write_report_csv(report), nl=False)
    else:
        typer.echo(f"{report.title}\n\n{format_report(report)}")
