"""``gmail-warmup changes``: who changed what, newest first."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gmail_warmup.cli.arguments import DEFAULT_LIMIT, Limit
from gmail_warmup.cli.output import JsonOption, get_services, print_json, print_table, report_errors
from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.warmup.reporting.changes import ChangeRecord

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def list_changes(
    context: typer.Context,
    actor: Annotated[str, typer.Option(help="Only changes by people whose name contains this text.")] = "",
    action: Annotated[ChangeAction | None, typer.Option(help="Only changes of this kind.")] = None,
    mailbox: Annotated[str, typer.Option(help="Only changes of this mailbox.")] = "",
    since: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Only changes from then on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Only changes before then (UTC).")] = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """List what people changed, newest first: who, when, through which interface, and the values before and after."""
    from datetime import UTC

    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.db.paging import IdRange
    from gmail_warmup.warmup.reporting.change_text import describe_action
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
    rows = [(r.at, describe_action(r.action), r.subject, r.actor, _describe_values(r)) for r in found]
    if rows:
        print_table(("at (UTC)", "change", "subject", "by", "values"), rows, fold="values")
    typer.echo(pluralize(len(rows), "change"))


def _describe_values(record: ChangeRecord) -> str:
    from gmail_warmup.warmup.reporting.change_text import describe_name

    return "; ".join(
        f"{describe_name(one.name)}: "
        + " -> ".join(_describe_value(one.name, value) for value in (one.before, one.after) if value is not None)
        for one in record.values
    )


def _describe_value(name: str, value: object) -> str:
    from datetime import UTC

    from gmail_warmup.warmup.reporting.change_text import describe_value

    text = describe_value(name, value)
    return text if isinstance(text, str) else f"{text.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
