"""``gmail-warmup mailboxes assign`` and ``tags``: the owner and the tags of mailboxes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gmail_warmup.cli.arguments import Addresses
from gmail_warmup.cli.mailboxes.bulk_changes import change_mailboxes, print_changed
from gmail_warmup.cli.output import JsonOption, actor_name, get_services, print_json, print_table, report_errors
from gmail_warmup.core.errors import InvalidInputError

if TYPE_CHECKING:
    from gmail_warmup.mailboxes.bulk_edit import MailboxChanges


def assign(
    context: typer.Context,
    addresses: Addresses,
    owner: Annotated[str | None, typer.Option(help="Mail address of the owner; an empty text removes it.")] = None,
    add_tag: Annotated[list[str] | None, typer.Option(help="Tag to add; may be repeated.")] = None,
    remove_tag: Annotated[list[str] | None, typer.Option(help="Tag to remove; may be repeated.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Set the owner of mailboxes, and add or remove tags."""
    from gmail_warmup.mailboxes.bulk_edit import change_settings

    with report_errors():
        changes = _parse_changes(owner, add_tag or [], remove_tag or [])
        named, changed = change_mailboxes(context, addresses, change_settings, changes=changes, actor=actor_name())
    print_changed("changed", named, changed, as_json=as_json)


def _parse_changes(owner: str | None, add_tags: list[str], remove_tags: list[str]) -> MailboxChanges:
    from gmail_warmup.mailboxes.addresses import normalize_contact
    from gmail_warmup.mailboxes.bulk_edit import MailboxChanges
    from gmail_warmup.mailboxes.tags import normalize_tags

    if owner is None and not add_tags and not remove_tags:
        raise InvalidInputError("Nothing to change: give --owner, --add-tag or --remove-tag.")
    values = {"owner_email": normalize_contact(owner) if owner else owner} if owner is not None else {}
    return MailboxChanges.model_validate(
        values | {"add_tags": normalize_tags(add_tags), "remove_tags": normalize_tags(remove_tags)}
    )


def list_tags(context: typer.Context, as_json: JsonOption = False) -> None:
    """List all tags with their numbers of mailboxes."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes.tags import count_tags

    with report_errors(), read_transaction(get_services(context).engine) as connection:
        counts = count_tags(connection)
    if as_json:
        print_json([asdict(count) for count in counts])
    elif counts:
        print_table(("tag", "mailboxes"), [(count.tag, count.mailboxes) for count in counts], fold="tag")
    else:
        typer.echo("No mailbox has a tag. Add one: gmail-warmup mailboxes assign ADDRESS --add-tag TAG")
