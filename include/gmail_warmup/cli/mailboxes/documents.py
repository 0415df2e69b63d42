"""``gmail-warmup mailboxes export-data``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from gmail_warmup.cli.arguments import Addresses
from gmail_warmup.cli.output import JsonOption, actor_name, get_services, print_json, report_errors
from gmail_warmup.cli.progress import show_progress
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services


def export_data(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Existing folder for the files.")],
    addresses: Addresses,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write everything that is stored about mailboxes to one JSON file each, without tokens.

    A file is written completely or not at all, and one that exists is kept: after an interruption, run the command
    again.
    """
    with report_errors():
        if not folder.is_dir():
            raise InvalidInputError(f"{folder} is not a folder. Create it first.")
        services = get_services(context)
        with show_progress(f"Exporting {pluralize(len(addresses), 'mailbox')}", as_json=as_json):
            written, kept = _write_files(services, folder, addresses, force=force)
    if as_json:
        print_json({"written": [str(file) for file in written], "kept": [str(file) for file in kept]})
        return
    typer.echo(f"Wrote {pluralize(len(written), 'file')} to {folder}.")
    if kept:
        typer.echo(f"Kept, because they exist: {pluralize(len(kept), 'file')}. Replace them with --force.")


def _write_files(
    services: Services, folder: Path, addresses: list[str], *, force: bool
) -> tuple[list[Path], list[Path]]:
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.mailboxes import lookup
    from gmail_warmup.transfer.documents.mailbox import iter_document, record_export
    from gmail_warmup.transfer.documents.private_file import is_present, write_private_file

    with write_transaction(services.engine) as connection:
        mailboxes = lookup.require_mailboxes(connection, addresses)
        record_export(connection, mailboxes, actor=actor_name())
    written: list[Path] = []
    kept: list[Path] = []
    for mailbox in mailboxes:
        file = folder / f"{quote(mailbox.address, safe='@+')}.json"
        if is_present(file) and not force:
            kept.append(file)
            continue
        write_private_file(file, iter_document(services.engine, mailbox))
        written.append(file)
    return written, kept
