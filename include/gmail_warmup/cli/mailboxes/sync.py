"""``gmail-warmup mailboxes sync``: add and pause delegated mailboxes as the directory of their Workspace says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.output import (
    NEEDS_PERSON,
    JsonOption,
    actor_name,
    get_services,
    print_json,
    print_table,
    report_errors,
)
from gmail_warmup.core.enums import DEFAULT_TARGET, MailboxKind
from gmail_warmup.core.errors import InvalidInputError

if TYPE_CHECKING:
    from gmail_warmup.transfer.directory.plan import SyncEntry


def sync(
    context: typer.Context,
    admin: Annotated[str, typer.Option(help="Address of an administrator who may read the directory.")],
    kind: Annotated[MailboxKind, typer.Option(help="Kind of the mailboxes that are added.")],
    delegated: Annotated[
        bool, typer.Option("--delegated", help="Required: mailboxes that a service account accesses.")
    ] = False,
    org_unit: Annotated[
        list[str] | None, typer.Option(help="Path of an organisational unit, with those below it. Repeatable.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Address of a group, with the groups in it. Repeatable.")
    ] = None,
    tag: Annotated[
        str, typer.Option(help="Tag of the selected mailboxes; one that has it and left the selection is paused.")
    ] = "",
    daily_target: Annotated[
        int, typer.Option(help="Mails a day of an added mailbox at the end of the ramp.")
    ] = DEFAULT_TARGET,
    timezone: Annotated[str, typer.Option(help="IANA name, for example Europe/Berlin.")] = "UTC",
    apply: Annotated[bool, typer.Option("--apply", help="Make the changes. Otherwise they are only shown.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the users of a Workspace with its delegated mailboxes: show, or apply, what is added and paused."""
    from gmail_warmup.transfer.directory.apply import apply_all
    from gmail_warmup.transfer.directory.plan import make_plan
    from gmail_warmup.transfer.directory.request import parse_request

    with report_errors():
        if not delegated:
            raise InvalidInputError("Only delegated mailboxes can be synchronised. Add --delegated.")
        values = {"admin": admin, "kind": kind, "tag": tag, "daily_target": daily_target, "timezone": timezone}
        request = parse_request(values | {"org_units": org_unit or (), "groups": group or ()})
        services = get_services(context)
        with services.open_directory(request.admin, with_groups=bool(request.groups)) as directory:
            entries = make_plan(services.engine, directory, request)
        if apply:
            report = partial(typer.echo, err=True)
            entries = apply_all(services.engine, entries, actor=actor_name(), tag=request.tag, on_stop=report)
    _print_entries(entries, applied=apply, as_json=as_json)
    if any(entry.error for entry in entries):
        raise typer.Exit(NEEDS_PERSON)


def _print_entries(entries: Sequence[SyncEntry], *, applied: bool, as_json: bool) -> None:
    from gmail_warmup.transfer.directory.apply import count_effects, describe_counts, select_shown
    from gmail_warmup.transfer.directory.plan import CHANGING

    counts, shown = count_effects(entries), select_shown(entries)
    if as_json:
        print_json({"applied": applied, **counts, "mailboxes": [_to_dict(entry) for entry in shown]})
        return
    rows = [(e.address, "failed" if e.error else e.effect.value, e.error or e.reason) for e in shown]
    if rows:
        print_table(("mailbox", "effect", "reason"), rows, fold="reason")
    typer.echo(describe_counts(counts) or "The directory is empty.")
    if not applied and any(counts[effect] for effect in CHANGING):
        typer.echo("Nothing was changed. To make these changes, run the command again with --apply.")


def _to_dict(entry: SyncEntry) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if name != "settings"}
