"""Change several mailboxes in one transaction, and print how many changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import typer

from gmail_warmup.cli.output import get_services, print_json
from gmail_warmup.core.text import pluralize


def change_mailboxes(
    context: typer.Context, addresses: Sequence[str], change: Callable[..., int], **options: Any
) -> tuple[list[str], int]:
    """Change mailboxes in one transaction; return their addresses and the number changed.

    Raises:
        UnknownMailboxError: with every address of no mailbox.
        MailboxBeingRemovedError: one of them is being removed; nothing was changed.
    """
    from gmail_warmup.db.engine import retry_conflict, write_transaction
    from gmail_warmup.mailboxes import lookup, removals

    @retry_conflict
    def change_all() -> tuple[list[str], int]:
        with write_transaction(get_services(context).engine) as connection:
            removals.require_kept(connection, addresses)
            named = sorted({mailbox.address for mailbox in lookup.require_mailboxes(connection, addresses)})
            return named, change(connection, named, **options)

    return change_all()


def print_changed(verb: str, named: list[str], changed: int, *, as_json: bool) -> None:
    """Print how many of the named mailboxes changed."""
    already = len(named) - changed
    if as_json:
        print_json({"mailboxes": named, verb: changed, "unchanged": already})
        return
    rest = f"; no change for {already}" if already else ""
    typer.echo(f"{verb.capitalize()} {changed} of {pluralize(len(named), 'mailbox')}{rest}.")
