"""``gmail-warmup mailboxes import`` and ``export``."""

from __future__ import annotations

import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmail_warmup.cli import passphrase
from gmail_warmup.cli.output import NEEDS_PERSON, JsonOption, get_services, print_json, report_errors
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from datetime import datetime

    from gmail_warmup.airflow.services import Services
    from gmail_warmup.transfer.importer import ImportResult
    from gmail_warmup.transfer.parser import ParsedMailbox

_STDOUT = Path("-")


def import_file(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, JSON with authorized_user tokens, or a backup.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file and count; write nothing.")] = False,
    overwrite_grants: Annotated[
        bool, typer.Option("--overwrite-grants", help="Take the backup's grants also where newer ones work here.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take mailboxes over from a file, or restore a backup; a bad line is named and then nothing is imported.

    Mailboxes that exist get the file's settings. The passphrase of a backup is asked for, or taken from the environment
    variable GMAIL_WARMUP_PASSPHRASE.
    """
    from gmail_warmup.transfer.importer import import_mailboxes

    with report_errors():
        exported_at, incoming = _read_file(file)
        services = get_services(context)
        done = import_mailboxes(
            services.grant_store,
            incoming,
            actor=services.actor,
            exported_at=exported_at,
            overwrite_grants=overwrite_grants,
            dry_run=dry_run,
        )
    if as_json:
        print_json(asdict(done) | {"dry_run": dry_run})
    else:
        _print_imported(done, dry_run=dry_run)


def _read_file(file: Path) -> tuple[datetime | None, list[ParsedMailbox]]:
    from gmail_warmup.transfer import encrypted_backup
    from gmail_warmup.transfer.exporter import parse_backup
    from gmail_warmup.transfer.parser import parse_mailboxes

    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInputError(f"{file} is not a text in UTF-8.") from None
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be read: {error.strerror}.") from None
    backup = encrypted_backup.parse_encrypted_backup(text)
    if backup:
        return parse_backup(encrypted_backup.decrypt_backup(backup, passphrase.read_passphrase()))
    return None, parse_mailboxes(text)


def _print_imported(done: ImportResult, *, dry_run: bool) -> None:
    verb = "Would import" if dry_run else "Imported"
    typer.echo(
        f"{verb} {pluralize(done.mailbox_count, 'mailbox')}: {done.added} new, {done.updated} that exist. "
        f"{pluralize(done.grants, 'grant')} taken over."
    )
    if done.paused:
        typer.echo(f"Paused, as the file says: {pluralize(done.paused, 'mailbox')}.")
    if done.grants_unchanged:
        typer.echo(f"Stored here already, left as they are: {pluralize(done.grants_unchanged, 'grant')}.")
    if done.grants_kept:
        typer.echo(
            f"Kept, because they work here and are newer than the backup: {pluralize(done.grants_kept, 'grant')}. "
            "The option --overwrite-grants takes the backup's."
        )
    if done.to_sign_in:
        typer.echo(
            f"Without a grant yet: {pluralize(done.to_sign_in, 'new mailbox')}. "
            "Next: press Re-authenticate on the page 'Gmail accounts' and sign in."
        )


def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write; - for stdout, without grants.")],
    with_grants: Annotated[
        bool, typer.Option("--with-grants", help="Make a backup with refresh tokens, encrypted with a passphrase.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write all mailboxes into a file that 'import' reads: CSV of their settings, or a backup.

    The passphrase of a backup is asked for twice, or taken from the environment variable GMAIL_WARMUP_PASSPHRASE.
    Exit code 1 if a grant could not be decrypted, and so is not in the backup.
    """
    with report_errors():
        _check_target(file, with_grants=with_grants, force=force, as_json=as_json)
        services = get_services(context)
        done = _export_backup(services) if with_grants else _export_settings(services)
        if file != _STDOUT:
            _write_file(file, done.text)
    if file == _STDOUT:
        typer.echo(done.text, nl=False)
    elif as_json:
        print_json(
            {"file": str(file), "mailboxes": done.mailboxes, "grants": done.grants, "unreadable": done.unreadable}
        )
    else:
        _print_exported(done, file, with_grants=with_grants)
    if done.unreadable:
        raise typer.Exit(NEEDS_PERSON)


@dataclass(frozen=True, kw_only=True)
class _ExportResult:
    text: str
    mailboxes: int
    grants: int = 0
    unreadable: list[str] = field(default_factory=list)


def _check_target(file: Path, *, with_grants: bool, force: bool, as_json: bool) -> None:
    if file == _STDOUT:
        if with_grants or as_json:
            raise InvalidInputError("Name a file: '-' is for the settings alone, and not together with --json.")
    elif file.is_dir() or not file.parent.is_dir():
        raise InvalidInputError(f"{file} cannot be written: name a file in a directory that exists.")
    elif file.exists() and not force:
        raise InvalidInputError(f"{file} exists. Name another file, or replace it with --force.")


def _export_settings(services: Services) -> _ExportResult:
    from gmail_warmup.mailboxes import repository
    from gmail_warmup.transfer.exporter import write_csv

    with services.engine.connect() as connection:
        mailboxes = repository.list_mailboxes(connection)
    return _ExportResult(text="".join(write_csv(mailboxes)), mailboxes=len(mailboxes))


def _export_backup(services: Services) -> _ExportResult:
    from gmail_warmup.transfer.encrypted_backup import encrypt_backup
    from gmail_warmup.transfer.exporter import create_backup

    secret = passphrase.choose_passphrase()
    made = create_backup(services.grant_store)
    text = encrypt_backup(made.to_json(), secret)
    return _ExportResult(text=text, mailboxes=len(made.rows), grants=made.grant_count, unreadable=made.unreadable)


def _print_exported(done: _ExportResult, file: Path, *, with_grants: bool) -> None:
    grants = f"{done.grants} of them with a grant" if with_grants else "without their grants"
    typer.echo(f"Wrote {pluralize(done.mailboxes, 'mailbox')} to {file}, {grants}.")
    for address in done.unreadable:
        typer.echo(f"{address}: no Fernet key reads its grant; it is not in the backup.")


def _write_file(file: Path, text: str) -> None:
    """Write all of a file or nothing, readable by its owner alone."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
                opened.write(text)
                opened.flush()
                os.fsync(descriptor)
            os.replace(name, file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidInputError(f"{file} cannot be written: {error.strerror}.") from None
