"""``gmail-warmup move-in``: take mailboxes and grants over from another system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.output import NEEDS_PERSON, Json, errors, print_json, print_table, services_of
from gmail_warmup.core.enums import MailboxKind
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import counted

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.transfer.importer import TakenOver
    from gmail_warmup.transfer.migration_plan import Offer, Plan, Remark

app = typer.Typer(
    no_args_is_help=True,
    help="Take mailboxes and grants over from another system: what can be, in one transaction; the rest is named.",
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be taken and what not; write nothing.")]
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
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
    as_json: Json = False,
) -> None:
    """Take the accounts of another system's database over; they are only read there.

    Exit code 1 if a mailbox stays behind, or has to sign in again.
    """
    from gmail_warmup.airflow.services import connection
    from gmail_warmup.db.engine import make_engine, url_of
    from gmail_warmup.transfer import legacy_database

    with errors():
        services = services_of(context)
        url = url_of(connection(conn_id, "the database of the other system"))
        found = legacy_database.read(make_engine(url), table, _pairs(column or []))
        made, done = _move(services, found.offers, (), dry_run=dry_run)
    read = {"columns": found.columns, "unread": found.unread}
    if not as_json:
        typer.echo("Read: " + ", ".join(f"{thing} from {name}" for thing, name in found.columns.items()) + ".")
        typer.echo("Not read: " + (", ".join(found.unread) or "nothing") + ".")
    _report(made, done, read, dry_run=dry_run, as_json=as_json)


@app.command()
def tokens(
    context: typer.Context,
    place: Annotated[Path, typer.Argument(help="A token.json, or a folder of such files.")],
    kind: Annotated[MailboxKind, typer.Option(help="What new mailboxes are.")],
    address: Annotated[str, typer.Option(help="Whose a single file is, if it does not say so.")] = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Take grants over from files as google-auth writes them: whose a file is says its field account, or its name.

    Exit code 1 if a file stays behind, or a mailbox has to sign in again.
    """
    from gmail_warmup.transfer import token_files

    with errors():
        offers, left = token_files.read(place, kind=kind.value, address=address)
        made, done = _move(services_of(context), offers, left, dry_run=dry_run)
    _report(made, done, {}, dry_run=dry_run, as_json=as_json)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    wrong = next((thing for thing, _, name in pairs if not thing or not name), None)
    if wrong is not None:
        raise InvalidInputError(f"--column {wrong} must read THING=NAME, for example address=email.")
    return {thing: name for thing, _, name in pairs}


def _move(
    services: Services, offers: Sequence[Offer], left: Sequence[Remark], *, dry_run: bool
) -> tuple[Plan, TakenOver]:
    from gmail_warmup.transfer.importer import take_over
    from gmail_warmup.transfer.migration_plan import plan

    with services.engine.connect() as connection:
        made = plan(connection, offers, client_id=services.client.client_id, left=left)
    done = take_over(services.store, made.mailboxes, actor=services.actor, exported_at=_EVER, dry_run=dry_run)
    return made, done


def _report(made: Plan, done: TakenOver, read: dict[str, Any], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        counts = {"added": done.added, "grants": done.grants, "paused": done.paused}
        lists = {name: [asdict(remark) for remark in getattr(made, name)] for name in ("to_sign_in", "left")}
        print_json(counts | lists | read | {"dry_run": dry_run})
    else:
        _say(made, done, dry_run=dry_run)
    if made.to_sign_in or made.left:
        raise typer.Exit(NEEDS_PERSON)


def _say(made: Plan, done: TakenOver, *, dry_run: bool) -> None:
    verb = "Would take" if dry_run else "Took"
    typer.echo(
        f"{verb} {counted(done.mailboxes, 'mailbox')} over: {done.added} new, {done.updated} that exist; "
        f"{counted(done.grants, 'grant')}."
    )
    if done.paused:
        typer.echo(f"Paused, because not active there: {counted(done.paused, 'mailbox')}.")
    for title, remarks in (("To sign in again", made.to_sign_in), ("Left where they are", made.left)):
        if remarks:
            typer.echo(f"\n{title}: {len(remarks)}")
            print_table(("where", "mailbox", "why"), [(r.source, r.address, r.why) for r in remarks], fold="why")
    if dry_run:
        typer.echo("\nNothing was written.")
    elif done.grants:
        typer.echo("\nNext: ask Google about the grants: gmail-warmup grants audit")
