"""``gmail-warmup doctor``: what is wrong with this installation, and what to do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer

from gmail_warmup.cli.output import NEEDS_PERSON, Json, cell, console, errors, print_json, user
from gmail_warmup.core.text import counted

if TYPE_CHECKING:
    from gmail_warmup.doctor import Check


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check this installation and its grants, and say what to do. Exit code 1 if there is a problem."""
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.doctor import Status, examine
    from gmail_warmup.oauth.grant_store import Actor

    with errors():
        checks = examine(context.find_object(Services) or Services(Actor(name=user())))
    healthy = all(check.status is not Status.PROBLEM for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [check.as_dict() for check in checks]})
    else:
        _show(checks)
    if not healthy:
        raise typer.Exit(NEEDS_PERSON)


def _show(checks: list[Check]) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for name in ("status", "check"):
        table.add_column(name, no_wrap=True)
    table.add_column("found", overflow="fold")
    for check in checks:
        table.add_row(cell(check.status.value), cell(check.name), cell(f"{check.found} {check.step}".strip()))
    console().print(table)
    number = Counter(check.status.value for check in checks)
    typer.echo(f"\n{counted(number['problem'], 'problem')}, {counted(number['warning'], 'warning')}.")
