"""``gmail-warmup move-in``: take mailboxes and grants over from another system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.output import NEEDS_PERSON, JsonOption, get_services, print_json, print_table, report_errors
from gmail_warmup.core.enums import MailboxKind
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.transfer.importer import ImportResult
    from gmail_warmup.transfer.migration_plan import Candidate, MigrationPlan, Skipped

app = typer.Typer(
    no_args_is_help=True,
    help="Take mailboxes and grants over from another system: what can be, in one transaction; the rest is named.",
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be taken and what not; write nothing.")]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""A grant that works here is newer than what another system has, whenever it was made."""


@app.command()
def database(
    context: typer.Context,
    conn_id: Annotated[str, typer.Argument(help="Airflow Connection (type postgres) to the other system's database.")],
    table: Annotated[str, typer.Option(help="Table of the accounts.")] = "accounts",
    column: Annotated[
        list[str] | None, typer.Option(help="Column of a thing, as THING=NAME, where it has an unusual name.")
    ] = None,
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Take the accounts of another system's database over; they are only read there.

    Exit code 1 if a mailbox stays behind, or has to sign in again.
    """
    from gmail_warmup.airflow.services import get_airflow_connection
    from gmail_warmup.db.engine import build_url, make_engine
    from gmail_warmup.transfer import legacy_database

    with report_errors():
        services = get_services(context)
        url = build_url(get_airflow_connection(conn_id, "the database of the other system"))
        found = legacy_database.read_accounts(make_engine(url), table, _parse_columns(column or []))
        made, done = _move_in(services, found.candidates, (), dry_run=dry_run)
    read = {"columns": found.columns, "unread": found.unread_columns}
    if not as_json:
        typer.echo("Read: " + ", ".join(f"{thing} from {name}" for thing, name in found.columns.items()) + ".")
        typer.echo("Not read: " + (", ".join(found.unread_columns) or "nothing") + ".")
    _report_result(made, done, read, dry_run=dry_run, as_json=as_json)


@app.command()
def tokens(
    context: typer.Context,
    place: Annotated[Path, typer.Argument(help="A token.json, or a folder of such files.")],
    kind: Annotated[MailboxKind, typer.Option(help="What new mailboxes are.")],
    address: Annotated[str, typer.Option(help="Whose a single file is, if it does not say so.")] = "",
    dry_run: DryRun = False,
    as_json: JsonOption = False,
) -> None:
    """Take grants over from files as google-auth writes them: whose a file is says its field account, or its name.

    Exit code 1 if a file stays behind, or a mailbox has to sign in again.
    """
    from gmail_warmup.transfer import token_files

    with report_errors():
        offers, left = token_files.read_token_files(place, kind=kind.value, address=address)
        made, done = _move_in(get_services(context), offers, left, dry_run=dry_run)
    _report_result(made, done, {}, dry_run=dry_run, as_json=as_json)


def _parse_columns(given: Sequence[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    wrong = next((thing for thing, _, name in pairs if not thing or not name), None)
    if wrong is not None:
        raise InvalidInputError(f"--column {wrong} must read THING=NAME, for example address=email.")
    return {thing: name for thing, _, name in pairs}


def _move_in(
    services: Services, offers: Sequence[Candidate], left: Sequence[Skipped], *, dry_run: bool
) -> tuple[MigrationPlan, ImportResult]:
    from gmail_warmup.transfer.importer import import_mailboxes
    from gmail_warmup.transfer.migration_plan import plan_migration

    with services.engine.connect() as connection:
        made = plan_migration(connection, offers, client_id=services.oauth_client.client_id, left=left)
    done = import_mailboxes(
        services.grant_store, made.mailboxes, actor=services.actor, exported_at=_EPOCH, dry_run=dry_run
    )
    return made, done


def _report_result(
    made: MigrationPlan, done: ImportResult, read: dict[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    if as_json:
        counts = {"added": done.added, "grants": done.grants, "paused": done.paused}
        lists = {name: [asdict(remark) for remark in getattr(made, name)] for name in ("to_sign_in", "left")}
        print_json(counts | lists | read | {"dry_run": dry_run})
    else:
        _print_result(made, done, dry_run=dry_run)
    if made.to_sign_in or made.left:
        raise typer.Exit(NEEDS_PERSON)


def _print_result(made: MigrationPlan, done: ImportResult, *, dry_run: bool) -> None:
    verb = "Would take" if dry_run else "Took"
    typer.echo(
        f"{verb} {pluralize(done.mailbox_count, 'mailbox')} over: {done.added} new, {done.updated} that exist; "
        f"{pluralize(done.grants, 'grant')}."
    )
    if done.paused:
        typer.echo(f"Paused, because not active there: {pluralize(done.paused, 'mailbox')}.")
    for title, remarks in (("To sign in again", made.to_sign_in), ("Left where they are", made.left)):
        if remarks:
            typer.echo(f"\n{title}: {len(remarks)}")
            print_table(("where", "mailbox", "why"), [(r.source, r.address, r.why) for r in remarks], fold="why")
    if dry_run:
        typer.echo("\nNothing was written.")
    elif done.grants:
        typer.echo("\nNext: ask Google about the grants: gmail-warmup grants audit")
