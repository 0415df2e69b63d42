"""``gmail-warmup move-in``: import mailboxes and grants from another system."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.output import (
    NEEDS_PERSON,
    JsonOption,
    get_services,
    print_effects,
    print_json,
    print_table,
    report_errors,
)
from gmail_warmup.cli.progress import show_progress
from gmail_warmup.core.enums import MailboxKind
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gmail_warmup.airflow.services import Services
    from gmail_warmup.transfer.importer import ImportResult
    from gmail_warmup.transfer.migration_plan import Candidate, MigrationPlan, Skipped

app = typer.Typer(
    no_args_is_help=True,
    help="Import mailboxes and grants from another system in one transaction. Whatever cannot be imported is listed.",
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be imported and what not; write nothing.")]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Export time of another system's grants: older than any grant here, so working grants here are kept."""


@app.command()
def database(
    context: typer.Context,
    conn_id: Annotated[str, typer.Argument(help="Airflow Connection (type postgres) to the other system's database.")],
    table: Annotated[str, typer.Option(help="Table with the accounts.")] = "accounts",
    column: Annotated[
        list[str] | None,
        typer.Option(help="Unusual name of a column, as THING=NAME; may be repeated."),
    ] = None,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Import the accounts from another system's database, which is only read.

    Exit code 1 if a mailbox is not imported, or its owner has to sign in again.
    """
    from gmail_warmup.airflow.connections import load_database_url
    from gmail_warmup.db.engine import make_engine
    from gmail_warmup.transfer import legacy_database

    with report_errors():
        services = get_services(context)
        url = load_database_url(conn_id, "the database of the other system")
        with show_progress("Reading the accounts", as_json=as_json):
            accounts = legacy_database.read_accounts(make_engine(url), table, _parse_columns(column or []))
        plan, done = _move_in(services, accounts.candidates, (), dry_run=dry_run, as_json=as_json)
    columns = {"columns": accounts.columns, "unread": accounts.unread_columns}
    if not as_json:
        typer.echo("Read: " + ", ".join(f"{thing} from {name}" for thing, name in accounts.columns.items()) + ".")
        typer.echo("Not read: " + (", ".join(accounts.unread_columns) or "nothing") + ".")
    _report_result(plan, done, columns, dry_run=dry_run, as_json=as_json)


@app.command()
def tokens(
    context: typer.Context,
    place: Annotated[Path, typer.Argument(help="A file of tokens, or a folder of such files.")],
    kind: Annotated[MailboxKind, typer.Option(help="Kind of new mailboxes.")],
    address: Annotated[str, typer.Option(help="Mailbox of a single file, if the file does not contain it.")] = "",
    name_pattern: Annotated[
        str, typer.Option(help="Where the address is in the names of the files, for example 'token_{address}.json'.")
    ] = "",
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Import grants from the token files of client libraries and tools.

    The mailbox is the one that the file states; otherwise the name of the file, if it can only mean one address.
    Exit code 1 if a file is not imported, or the owner of a mailbox has to sign in again.
    """
    from gmail_warmup.transfer import token_files

    with report_errors():
        services = get_services(context)
        with show_progress("Reading the files", as_json=as_json):
            candidates, skipped = token_files.read_token_files(
                place,
                kind=kind.value,
                address=address,
                name_pattern=name_pattern,
                find_existing=functools.partial(_find_existing, services),
            )
        plan, done = _move_in(services, candidates, skipped, dry_run=dry_run, as_json=as_json)
    _report_result(plan, done, {}, dry_run=dry_run, as_json=as_json)


def _parse_columns(given: Sequence[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    invalid = next((thing for thing, _, name in pairs if not thing or not name), None)
    if invalid is not None:
        raise InvalidInputError(f"--column {invalid} must have the form THING=NAME, for example address=email.")
    return {thing: name for thing, _, name in pairs}


def _find_existing(services: Services, addresses: Collection[str]) -> Collection[str]:
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes import bulk

    with read_transaction(services.engine) as connection:
        return set(bulk.find_existing(connection, sorted(addresses), lock=False))


def _move_in(
    services: Services, candidates: Sequence[Candidate], skipped: Sequence[Skipped], *, dry_run: bool, as_json: bool
) -> tuple[MigrationPlan, ImportResult]:
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.transfer.importer import import_mailboxes
    from gmail_warmup.transfer.migration_plan import plan_migration

    with show_progress(f"Importing {pluralize(len(candidates), 'account')}", as_json=as_json):
        with read_transaction(services.engine) as connection:
            plan = plan_migration(
                connection, candidates, client_ids=_list_client_ids(services, connection), left=skipped
            )
        done = import_mailboxes(
            services.grant_store, plan.mailboxes, actor=services.actor, exported_at=_EPOCH, dry_run=dry_run
        )
    return plan, done


def _list_client_ids(services: Services, connection: Connection) -> set[str]:
    from gmail_warmup.oauth.clients.registry import list_clients

    registered = list_clients(connection, default=services.settings.client_conn_id)
    return {services.oauth_client.client_id, *(client.client_id for client in registered if client.client_id)}


def _report_result(
    plan: MigrationPlan, done: ImportResult, read: dict[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    if as_json:
        counts = {"added": done.added, "grants": done.grants, "paused": done.paused}
        lists = {name: [asdict(item) for item in getattr(plan, name)] for name in ("to_sign_in", "left")}
        effects = [asdict(effect) for effect in plan.explain_effects(done.mailboxes)]
        print_json(counts | lists | read | {"mailboxes": effects, "dry_run": dry_run})
    else:
        _print_result(plan, done, dry_run=dry_run)
    if plan.to_sign_in or plan.left:
        raise typer.Exit(NEEDS_PERSON)


def _print_result(plan: MigrationPlan, done: ImportResult, *, dry_run: bool) -> None:
    verb = "Would import" if dry_run else "Imported"
    typer.echo(
        f"{verb} {pluralize(done.mailbox_count, 'mailbox')}: {done.added} new, {done.updated} existing; "
        f"{pluralize(done.grants, 'grant')}."
    )
    if done.paused:
        typer.echo(f"Paused, because inactive in the other system: {pluralize(done.paused, 'mailbox')}.")
    if dry_run:
        print_effects(plan.explain_effects(done.mailboxes))
        typer.echo("\nNothing was written.")
        return
    for title, items in (("Sign-in required", plan.to_sign_in), ("Not imported", plan.left)):
        if items:
            typer.echo(f"\n{title}: {len(items)}")
            print_table(("source", "mailbox", "reason"), [(r.source, r.address, r.why) for r in items], fold="reason")
    if done.grants:
        typer.echo("\nNext: probe the grants: gmail-warmup grants audit")
