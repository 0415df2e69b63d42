"""``gmail-warmup doctor``: check the installation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer

from gmail_warmup.cli.output import (
    NEEDS_PERSON,
    JsonOption,
    actor_name,
    format_cell,
    make_console,
    print_json,
    report_errors,
)
from gmail_warmup.cli.progress import show_progress
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.doctor import CheckResult


def run_doctor(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check this installation and its grants, and show remedies. Exit code 1 if there is a problem."""
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.doctor import Status, run_checks
    from gmail_warmup.oauth.grant import Actor

    with report_errors():
        services = context.find_object(Services) or Services(Actor(name=actor_name()))
        with show_progress("Checking the installation", as_json=as_json):
            checks = run_checks(services)
    healthy = all(check.status is not Status.PROBLEM for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [check.as_dict() for check in checks]})
    else:
        _print_checks(checks)
    if not healthy:
        raise typer.Exit(NEEDS_PERSON)


def _print_checks(checks: list[CheckResult]) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for name in ("status", "check"):
        table.add_column(name, no_wrap=True)
    table.add_column("found", overflow="fold")
    for check in checks:
        table.add_row(
            format_cell(check.status.value), format_cell(check.name), format_cell(f"{check.found} {check.step}".strip())
        )
    make_console().print(table)
    counts = Counter(check.status.value for check in checks)
    typer.echo(f"\n{pluralize(counts['problem'], 'problem')}, {pluralize(counts['warning'], 'warning')}.")
