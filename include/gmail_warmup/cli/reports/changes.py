"""``gmail-warmup changes``: who changed what, newest first."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from gmail_warmup.cli.output import JsonOption, get_services, print_json, print_table, report_errors
from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.text import pluralize

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def list_changes(
    context: typer.Context,
    actor: Annotated[str, typer.Option(help="Only changes by people whose name contains this text.")] = "",
    action: Annotated[ChangeAction | None, typer.Option(help="Only changes of this kind.")] = None,
    mailbox: Annotated[str, typer.Option(help="Only changes of this mailbox.")] = "",
    since: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Only changes from then on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Only changes before then (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of changes.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List what people changed, newest first: who, when, through which interface, and the values before and after."""
    from datetime import UTC

    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.db.paging import IdRange
    from gmail_warmup.warmup.reporting.changes import ChangeQuery, fetch_change_page

    query = ChangeQuery(
        actor=actor,
        action=action,
        mailbox=mailbox,
        since=since and since.replace(tzinfo=UTC),
        until=until and until.replace(tzinfo=UTC),
        position=IdRange(limit=limit),
    )
    with report_errors(), read_transaction(get_services(context).engine) as connection:
        found = fetch_change_page(connection, query).rows
    if as_json:
        print_json([asdict(record) for record in found])
        return
    rows = [(r.at, r.action, r.subject, r.actor, "; ".join(r.describe_values())) for r in found]
    if rows:
        print_table(("at (UTC)", "change", "subject", "by", "values"), rows, fold="values")
    typer.echo(pluralize(len(rows), "change"))
