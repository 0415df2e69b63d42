"""``gmail-warmup backlog``: how many mailboxes are due for each action."""

from __future__ import annotations

import typer

from gmail_warmup.cli.output import JsonOption, get_services, print_json, print_table, report_errors


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
