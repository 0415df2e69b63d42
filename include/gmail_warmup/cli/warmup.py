"""``gmail-warmup stop``, ``start`` and ``backlog``: the kill switch, and how many mailboxes wait."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from gmail_warmup.cli.output import (
    JsonOption,
    actor_name,
    get_services,
    parse_reason,
    print_json,
    print_table,
    report_errors,
)


def stop_all(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Reason; shown on every page and in every log meanwhile.")],
    as_json: JsonOption = False,
) -> None:
    """Stop everything immediately: no mailbox plans, claims, sends or reads until 'gmail-warmup start'."""
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.warmup.planning import kill_switch

    with report_errors():
        reason = parse_reason(reason)
        with write_transaction(get_services(context).engine) as connection:
            newly = kill_switch.begin_halt(connection, by=actor_name(), reason=reason)
            stopped = kill_switch.get_active_halt(connection)
    assert stopped
    if as_json:
        print_json(asdict(stopped) | {"newly": newly})
        return
    typer.echo(str(stopped) if newly else f"Already stopped. {stopped}")


def start_all(context: typer.Context, as_json: JsonOption = False) -> None:
    """Start everything again. The remaining mails of each day are spread over its remaining hours."""
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.warmup.planning import kill_switch

    with report_errors(), write_transaction(get_services(context).engine) as connection:
        ended = kill_switch.end_halt(connection, by=actor_name())
    if as_json:
        print_json({"ended": asdict(ended) if ended else None})
        return
    if ended is None:
        typer.echo("Nothing was stopped.")
        return
    typer.echo(f"Started again. It was stopped by {ended.by}: {ended.reason}. The next DAG run plans what is due.")


def show_backlog(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show how many mailboxes are due for each action, since when, and how many DAG runs are needed for all of them."""
    from gmail_warmup.airflow.configuration import get_max_map_length
    from gmail_warmup.core.enums import Action
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.warmup.planning.backlog import count_backlog

    with report_errors():
        limit = get_max_map_length()
        with read_transaction(get_services(context).engine) as connection:
            by_action = {action.value: count_backlog(connection, action) for action in Action}
    rows = [
        {"action": action, "mailboxes": due.mailboxes, "since": due.since, "runs": -(-due.mailboxes // limit)}
        for action, due in by_action.items()
    ]
    if as_json:
        print_json({"mapped_at_most": limit, "actions": rows})
        return
    titles = ("action", "mailboxes", "waiting since (UTC)", "DAG runs")
    print_table(titles, [tuple(row.values()) for row in rows], fold="action")
