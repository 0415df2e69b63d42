"""``gmail-warmup mailboxes rename``."""

from __future__ import annotations

from typing import Annotated

import typer

from gmail_warmup.cli.output import JsonOption, actor_name, get_services, print_json, report_errors


def rename(
    context: typer.Context,
    old: Annotated[str, typer.Argument(help="Present address of the mailbox here.", show_default=False)],
    new: Annotated[str, typer.Argument(help="Primary address of the account at Google.", show_default=False)],
    without_check: Annotated[
        bool,
        typer.Option(
            "--without-check",
            help="Do not compare with the primary address at Google; the comparison needs a working grant.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Change the address of a mailbox that was renamed at Google. Grant, ramp, history and health are kept."""
    from gmail_warmup.airflow.gmail_hook import GmailHook
    from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
    from gmail_warmup.gmail.accounts.primary_address import require_primary_address
    from gmail_warmup.mailboxes import renaming, repository
    from gmail_warmup.mailboxes.addresses import normalize_address

    with report_errors():
        services, new_address = get_services(context), normalize_address(new)
        with read_transaction(services.engine) as connection:
            address = repository.get_mailbox(connection, old).address
        if not without_check:
            require_primary_address(GmailHook(address, services=services), new_address)

        @retry_conflict
        def rename_mailbox() -> None:
            with write_transaction(services.engine) as connection:
                renaming.rename_mailbox(connection, address, new_address, actor=actor_name())

        rename_mailbox()
    if as_json:
        print_json({"address": new_address, "former_address": address})
    else:
        typer.echo(f"Renamed {address} to {new_address}.")
