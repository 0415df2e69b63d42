"""``gmail-warmup backlog``: how many mailboxes wait for each action, and for how many runs."""

from __future__ import annotations

import typer

from gmail_warmup.cli.output import JsonOption, get_services, print_json, print_table, report_errors


def show_backlog(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show how many mailboxes wait for each action now, since when, and how many runs it takes until all had a turn."""
    from gmail_warmup.core.enums import Action
    from gmail_warmup.core.settings import max_map_length
    from gmail_warmup.warmup.planning.backlog import count_backlog

    with report_errors():
        most = max_map_length()
        with get_services(context).engine.begin() as connection:
            found = {action.value: count_backlog(connection, action) for action in Action}
    rows = [
        {"action": action, "mailboxes": one.mailboxes, "since": one.since, "runs": -(-one.mailboxes // most)}
        for action, one in found.items()
    ]
    if as_json:
        print_json({"mapped_at_most": most, "actions": rows})
        return
    titles = ("action", "mailboxes", "waiting since (UTC)", "runs")
    print_table(titles, [tuple(row.values()) for row in rows], fold="action")
