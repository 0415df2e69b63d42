"""``gmail-warmup mailboxes import`` and ``export``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli import passphrase
from gmail_warmup.cli.output import NEEDS_PERSON, JsonOption, get_services, print_effects, print_json, report_errors
from gmail_warmup.cli.progress import show_progress
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.transfer.importer import ImportResult
    from gmail_warmup.transfer.parser import ParsedMailbox

_STDOUT = Path("-")


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, an .xlsx workbook, JSON with tokens, or an encrypted backup.")],
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check the file and show what would happen to each mailbox; write nothing."),
    ] = False,
    overwrite_grants: Annotated[
        bool, typer.Option("--overwrite-grants", help="Replace working grants by older ones of the backup.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import mailboxes from a file, or restore a backup. If a line has an error, nothing is imported.

    Existing mailboxes get the settings of the file. A backup also restores OAuth clients and the schedules of tags; its
    passphrase is prompted for, or read from the environment variable GMAIL_WARMUP_PASSPHRASE.
    """
    from gmail_warmup.transfer.importer import import_mailboxes

    with report_errors():
        incoming, options = _read_file(file)
        services = get_services(context)
        with show_progress(f"Importing {pluralize(len(incoming), 'mailbox')}", as_json=as_json):
            done = import_mailboxes(
                services.grant_store,
                incoming,
                actor=services.actor,
                overwrite_grants=overwrite_grants,
                default_client=services.settings.client_conn_id,
                dry_run=dry_run,
                **options,
            )
    if as_json:
        print_json(asdict(done) | {"dry_run": dry_run})
    else:
        _print_imported(done, dry_run=dry_run)


def _read_file(file: Path) -> tuple[list[ParsedMailbox], dict[str, Any]]:
    """Return the mailboxes of a file, and the options of ``import_mailboxes`` that a backup has."""
    from gmail_warmup.transfer import encrypted_backup
    from gmail_warmup.transfer.backup_settings import parse_settings
    from gmail_warmup.transfer.exporter import parse_backup
    from gmail_warmup.transfer.parser import parse_file

    try:
        raw = file.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be read: {error.strerror}.") from None
    backup = encrypted_backup.parse_encrypted_backup(raw.decode("utf-8-sig", "replace"))
    if backup:
        text = encrypted_backup.decrypt_backup(backup, passphrase.read_passphrase())
        exported_at, mailboxes = parse_backup(text)
        return mailboxes, {"exported_at": exported_at, "settings": parse_settings(text)}
    contents = parse_file(raw)
    for warning in contents.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    return contents.require_valid(), {}


def _print_imported(done: ImportResult, *, dry_run: bool) -> None:
    if dry_run:
        print_effects(done.mailboxes)
        typer.echo("")
    verb = "Would import" if dry_run else "Imported"
    typer.echo(
        f"{verb} {pluralize(done.mailbox_count, 'mailbox')}: {done.added} new, {done.updated} existing; "
        f"{pluralize(done.grants, 'grant')}."
    )
    if done.clients or done.tag_schedules:
        typer.echo(
            f"Settings of the backup that {'would be changed' if dry_run else 'were changed'}: "
            f"{pluralize(done.clients, 'OAuth client')}, {pluralize(done.tag_schedules, 'tag schedule')}."
        )
    if done.paused:
        typer.echo(f"Paused according to the file: {pluralize(done.paused, 'mailbox')}.")
    if done.grants_unchanged:
        typer.echo(f"Already stored, unchanged: {pluralize(done.grants_unchanged, 'grant')}.")
    if done.grants_kept:
        typer.echo(
            f"Kept, because they work and are newer than the backup: {pluralize(done.grants_kept, 'grant')}. "
            "Use --overwrite-grants to replace them."
        )
    if done.to_sign_in:
        typer.echo(
            f"Without a grant yet: {pluralize(done.to_sign_in, 'new mailbox')}. "
            "Next: press Re-authenticate on the page 'Gmail accounts' and sign in."
        )


def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write; - for stdout (settings only).")],
    with_grants: Annotated[
        bool, typer.Option("--with-grants", help="Write a backup with refresh tokens, encrypted with a passphrase.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write all mailboxes to a file that 'import' reads: CSV with their settings, or a backup.

    The passphrase of a backup is prompted for twice, or read from the environment variable GMAIL_WARMUP_PASSPHRASE.
    Exit code 1 if the backup lacks a grant that could not be decrypted, or a mailbox that no import would accept.
    """
    from gmail_warmup.transfer.documents.private_file import write_private_file

    with report_errors():
        _check_target(file, with_grants=with_grants, force=force, as_json=as_json)
        services = get_services(context)
        secret = passphrase.choose_passphrase() if with_grants else ""
        with show_progress("Exporting the mailboxes", as_json=as_json):
            done = _export_backup(services, secret) if with_grants else _export_settings(services)
            if file != _STDOUT:
                write_private_file(file, [done.text])
    if file == _STDOUT:
        typer.echo(done.text, nl=False)
    elif as_json:
        print_json(
            {
                "file": str(file),
                "mailboxes": done.mailboxes,
                "grants": done.grants,
                "unreadable": done.unreadable,
                "left_out": done.left_out,
            }
        )
    else:
        _print_exported(done, file, with_grants=with_grants)
    if done.unreadable or done.left_out:
        raise typer.Exit(NEEDS_PERSON)


@dataclass(frozen=True, kw_only=True)
class _ExportResult:
    text: str
    mailboxes: int
    grants: int = 0
    unreadable: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def _check_target(file: Path, *, with_grants: bool, force: bool, as_json: bool) -> None:
    from gmail_warmup.transfer.documents.private_file import is_present

    if file == _STDOUT:
        if with_grants or as_json:
            raise InvalidInputError("'-' cannot be combined with --with-grants or --json. Name a file.")
        return
    exists = is_present(file)
    if file.is_dir() or not file.parent.is_dir():
        raise InvalidInputError(f"{file} cannot be written. Name a file in an existing directory.")
    if exists and not force:
        raise InvalidInputError(f"{file} already exists. Name another file, or replace it with --force.")


def _export_settings(services: Services) -> _ExportResult:
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes import repository
    from gmail_warmup.transfer.exporter import record_export, write_csv

    with read_transaction(services.engine) as connection:
        mailboxes = repository.list_mailboxes(connection)
    record_export(services.engine, actor=services.actor.name, format="csv", mailboxes=len(mailboxes))
    return _ExportResult(text="".join(write_csv(mailboxes)), mailboxes=len(mailboxes))


def _export_backup(services: Services, secret: str) -> _ExportResult:
    from gmail_warmup.transfer.encrypted_backup import encrypt_backup
    from gmail_warmup.transfer.exporter import create_backup

    backup = create_backup(services.grant_store, actor=services.actor.name)
    text = encrypt_backup(backup.to_json(), secret)
    return _ExportResult(
        text=text,
        mailboxes=len(backup.rows),
        grants=backup.grant_count,
        unreadable=backup.unreadable,
        left_out=backup.left_out,
    )


def _print_exported(done: _ExportResult, file: Path, *, with_grants: bool) -> None:
    grants = f"{done.grants} of them with a grant" if with_grants else "without grants"
    typer.echo(f"Wrote {pluralize(done.mailboxes, 'mailbox')} to {file}, {grants}.")
    for address, reason in done.left_out.items():
        typer.echo(f"{address} is left out, because no import would accept it: {reason}")
    for address in done.unreadable:
        typer.echo(f"{address}: no Fernet key decrypts its grant, so the backup does not contain it.")
