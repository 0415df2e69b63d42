"""``gmail-warmup mailboxes schedule``: what mailboxes and tags set, and which values count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.mailboxes.bulk_changes import change_mailboxes
from gmail_warmup.cli.output import (
    JsonOption,
    actor_name,
    get_services,
    print_json,
    print_table,
    report_errors,
)
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.mailboxes.schedules.values import ScheduleValues

app = typer.Typer(no_args_is_help=True, help="Show and set the schedules of mailboxes and tags.")

_TagOption = Annotated[str, typer.Option("--tag", help="A tag instead of mailboxes.")]


@app.command()
def show(
    context: typer.Context,
    address: Annotated[str, typer.Argument(help="Address of a mailbox.")] = "",
    tag: _TagOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show each value of a mailbox with its origin, or what a tag sets; without both, what each tag sets."""
    with report_errors():
        if address and tag:
            raise InvalidInputError("Name a mailbox or a tag, not both.")
        if address:
            values = _explain_mailbox(context, address)
        else:
            by_tag = _load_tags(context, tag)
    if address:
        if as_json:
            print_json({"address": address, "values": values})
        else:
            rows = [(name, item["value"], _describe_origin(item)) for name, item in values.items()]
            print_table(("value", address, "from"), rows, fold=address)
        return
    if as_json:
        print_json([{"tag": name, "values": chosen} for name, chosen in by_tag.items()])
        return
    listed = [(name, key, value) for name, chosen in by_tag.items() for key, value in chosen.items()]
    if listed:
        print_table(("tag", "value", "set to"), listed, fold="tag")
    typer.echo(f"{pluralize(len(by_tag), 'tag')} with a schedule")


def _describe_origin(item: dict[str, Any]) -> str:
    return f"tag {item['tag']}" if item["tag"] else str(item["origin"])


def _explain_mailbox(context: typer.Context, address: str) -> dict[str, dict[str, Any]]:
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes import repository
    from gmail_warmup.warmup.planning.schedules import explain_schedule

    services = get_services(context)
    with read_transaction(services.engine) as connection:
        record = repository.get_mailbox(connection, address)
    return {name: asdict(item) for name, item in explain_schedule(record, services.settings).items()}


def _load_tags(context: typer.Context, tag: str) -> dict[str, dict[str, str | int]]:
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes.schedules import store
    from gmail_warmup.mailboxes.tags import normalize_tag

    with read_transaction(get_services(context).engine) as connection:
        found = store.list_tag_schedules(connection)
    wanted = normalize_tag(tag) if tag else None
    return {name: values for name, values in found.items() if wanted in (None, name)}


@app.command("set")
def set_values(
    context: typer.Context,
    values: Annotated[
        list[str],
        typer.Option("--value", help="NAME=VALUE, such as ramp_cap=30; NAME= removes the value. May be repeated."),
    ],
    addresses: Annotated[list[str] | None, typer.Argument(help="Addresses of mailboxes.")] = None,
    tag: _TagOption = "",
    as_json: JsonOption = False,
) -> None:
    """Set values of mailboxes or of a tag; the other values stay. The plans follow with the next run."""
    with report_errors():
        if bool(addresses) == bool(tag):
            raise InvalidInputError("Name mailboxes or a tag, and not both.")
        given = dict(map(_split_value, values))
        changed = _change_tag(context, tag, given) if tag else _change_mailboxes(context, addresses or [], given)
    if as_json:
        print_json({"changed": changed})
    else:
        typer.echo(f"Set the schedule of {pluralize(changed, 'tag' if tag else 'mailbox')}.")


def _split_value(text: str) -> tuple[str, str]:
    from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES

    name, is_pair, value = text.partition("=")
    if not is_pair or name.strip() not in SCHEDULE_NAMES:
        raise InvalidInputError(f"--value {text}: write NAME=VALUE with one of the names {', '.join(SCHEDULE_NAMES)}.")
    return name.strip(), value.strip()


def _validate(given: dict[str, Any], *, subject: str) -> ScheduleValues:
    from pydantic import ValidationError

    from gmail_warmup.mailboxes.schedules.values import ScheduleValues
    from gmail_warmup.mailboxes.validation import describe_rule

    try:
        return ScheduleValues.model_validate(given)
    except ValidationError as error:
        problems = error.errors()
    texts = (
        f"{item['loc'][0]}: {describe_rule(item, ScheduleValues.model_fields.get(str(item['loc'][0])))}"
        for item in problems
    )
    raise InvalidInputError(f"{subject}: {'; '.join(texts)}")


def _change_tag(context: typer.Context, tag: str, given: dict[str, str]) -> int:
    from gmail_warmup.db.engine import retry_conflict, write_transaction
    from gmail_warmup.mailboxes.schedules import store
    from gmail_warmup.mailboxes.tags import normalize_tag

    name = normalize_tag(tag)
    _validate(given, subject=name)

    @retry_conflict
    def change() -> None:
        with write_transaction(get_services(context).engine) as connection:
            before = store.get_tag_schedule(connection, name)
            store.put_tag_schedule(connection, name, _validate(before | given, subject=name), actor=actor_name())

    change()
    return 1


def _change_mailboxes(context: typer.Context, addresses: Sequence[str], given: dict[str, str]) -> int:
    from gmail_warmup.mailboxes.bulk_edit import MailboxChanges, change_settings

    _validate(given, subject=", ".join(addresses))
    changes = MailboxChanges.model_validate(given)
    _, changed = change_mailboxes(context, addresses, change_settings, changes=changes, actor=actor_name())
    return changed
