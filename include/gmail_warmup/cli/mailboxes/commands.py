"""``gmail-warmup mailboxes``: list and change mailboxes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli import invites
from gmail_warmup.cli.arguments import Address, Addresses
from gmail_warmup.cli.mailboxes import documents, owner_and_tags, readiness, removal, renaming, schedule, sync, transfer
from gmail_warmup.cli.mailboxes.bulk_changes import change_mailboxes, print_changed
from gmail_warmup.cli.mailboxes.selection import build_conditions
from gmail_warmup.cli.output import (
    JsonOption,
    actor_name,
    get_services,
    parse_reason,
    print_json,
    print_table,
    report_errors,
)
from gmail_warmup.core.enums import DEFAULT_TARGET, HealthBand, MailboxAuth, MailboxKind
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.option_types import parse_date
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    import sqlalchemy as sa

    from gmail_warmup.mailboxes.records import MailboxRecord
    from gmail_warmup.warmup.health.failures import FailurePeriod

app = typer.Typer(no_args_is_help=True, help="List, add, change, import and export mailboxes.")


class ListState(StrEnum):
    """What ``mailboxes list --state`` selects by: the states of a grant, and mailboxes that do not work."""

    ACTIVE = "active"
    SUSPECT = "suspect"
    NEEDS_REAUTH = "needs_reauth"
    BLOCKED_BY_ADMIN = "blocked_by_admin"
    ACCOUNT_DELETED = "account_deleted"
    DISABLED = "disabled"
    NOT_WORKING = "not_working"


@app.command("list")
def list_mailboxes(
    context: typer.Context,
    state: Annotated[
        ListState | None, typer.Option(help="Only grants in this state, or mailboxes that do not work.")
    ] = None,
    kind: Annotated[MailboxKind | None, typer.Option(help="Only mailboxes of this kind.")] = None,
    domain: Annotated[str, typer.Option(help="Only addresses of this domain.")] = "",
    tag: Annotated[str, typer.Option(help="Only mailboxes with this tag.")] = "",
    owner: Annotated[str, typer.Option(help="Only mailboxes of this owner: the whole mail address.")] = "",
    client: Annotated[str, typer.Option(help="Only grants of the OAuth client with this Connection.")] = "",
    search: Annotated[str, typer.Option(help="Only addresses or names that contain this text.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List mailboxes with the state of their grants, sorted by address."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes import repository
    from gmail_warmup.oauth.clients.registry import load_mailbox_clients
    from gmail_warmup.warmup.health.failures import load_failures

    with report_errors():
        engine = get_services(context).engine
        query = _select_mailboxes(state=state, kind=kind, search=search)
        query = query.where(*build_conditions(domain=domain, tag=tag, owner=owner, client=client))
        with read_transaction(engine) as connection:
            found = [repository.to_record(row) for row in connection.execute(query)]
            failing = load_failures(connection, [record.id for record in found])
            clients = load_mailbox_clients(connection, [record.id for record in found])
    if as_json:
        print_json(
            [
                to_json_dict(r) | {"failing": _to_dict(failing.get(r.id)), "client_conn_id": clients.get(r.id)}
                for r in found
            ]
        )
        return
    rows = [
        (r.address, r.kind.value, r.state.value, r.reason, r.state_since, _status_note(r, failing.get(r.id)))
        for r in found
    ]
    if rows:
        print_table(("mailbox", "kind", "grant", "reason", "since (UTC)", "note"), rows, fold="note")
    typer.echo(pluralize(len(rows), "mailbox"))
    if not rows and not (state or kind or domain or tag or owner or client or search):
        typer.echo("Add one on the page 'Gmail accounts', or with: gmail-warmup mailboxes add")


def _to_dict(failing: FailurePeriod | None) -> dict[str, Any] | None:
    return asdict(failing) if failing else None


def _status_note(record: MailboxRecord, failing: FailurePeriod | None) -> str | None:
    """Return whether the mailbox does not work, or a person or its health restricts it."""
    if failing and failing.is_not_working:
        return f"not working since {failing.since:%Y-%m-%d %H:%M}: {failing.detail}"
    if record.paused_at:
        return f"paused until {record.paused_until}" if record.paused_until else "paused"
    return None if record.band is HealthBand.HEALTHY else f"health: {record.band.value}"


def _select_mailboxes(*, state: ListState | None, kind: MailboxKind | None, search: str) -> sa.Select[Any]:
    from gmail_warmup.db.models import Mailbox, OAuthGrant
    from gmail_warmup.mailboxes.lookup import matches_text
    from gmail_warmup.mailboxes.repository import SELECT_MAILBOXES
    from gmail_warmup.warmup.health.failures import IS_NOT_WORKING

    query = SELECT_MAILBOXES.order_by(Mailbox.address)
    if state is ListState.NOT_WORKING:
        query = query.where(IS_NOT_WORKING)
    elif state:
        query = query.where(OAuthGrant.state == state.value)
    if kind:
        query = query.where(Mailbox.kind == kind)
    if search:
        query = query.where(matches_text(search))
    return query


def to_json_dict(record: MailboxRecord) -> dict[str, Any]:
    """Return a mailbox for JSON, without internal ids."""
    return {
        name: value
        for name, value in asdict(record).items()
        if name not in ("id", "label_id", "label_name", "tag_schedules")
    }


@app.command()
def add(
    context: typer.Context,
    address: Address,
    kind: Annotated[MailboxKind, typer.Option(help="Whether it is warmed up or part of the pool.")],
    auth: Annotated[
        MailboxAuth, typer.Option(help="Whether it uses an OAuth grant or a service account.")
    ] = MailboxAuth.GRANT,
    daily_target: Annotated[int, typer.Option(help="Mails a day at the end of the ramp.")] = DEFAULT_TARGET,
    open_rate: Annotated[int | None, typer.Option(help="Percentage of its warmup mails that are opened.")] = None,
    reply_rate: Annotated[int | None, typer.Option(help="Per cent of the warmup mails that are answered.")] = None,
    timezone: Annotated[str, typer.Option(help="IANA name, for example Europe/Berlin.")] = "UTC",
    display_name: Annotated[str, typer.Option(help="Name in the From header.")] = "",
    signature: Annotated[str, typer.Option(help="Plain text at the end of each mail. Default: the name.")] = "",
    language: Annotated[str, typer.Option(help="Language tag of the threads that it starts. Default: any.")] = "",
    owner: Annotated[str, typer.Option(help="Mail address of the owner. Default: none.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="Tag; may be repeated.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a mailbox. Its owner has to sign in afterwards, on the page 'Gmail accounts' or with an invite link."""
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.mailboxes import lookup, repository
    from gmail_warmup.mailboxes.addresses import normalize_address
    from gmail_warmup.mailboxes.records import validate_mailbox_settings

    with report_errors():
        normal = normalize_address(address)
        values = {
            "kind": kind, "auth": auth, "daily_target": daily_target, "open_rate": open_rate, "reply_rate": reply_rate,
            "timezone": timezone, "display_name": display_name or None, "signature": signature or None,
            "language": language or None, "owner_email": owner or None, "tags": tag or (),
        }  # fmt: skip
        chosen = validate_mailbox_settings(values, address=normal)
        with write_transaction(get_services(context).engine) as connection:
            lookup.require_first_spelling(connection, [normal])
            if repository.find_mailbox(connection, normal):
                raise InvalidInputError(f"{normal} already exists. Change it on the page 'Gmail accounts'.")
            repository.add_or_update(connection, normal, chosen, actor=actor_name())
            record = repository.get_mailbox(connection, normal)
    if as_json:
        print_json(to_json_dict(record))
        return
    typer.echo(f"Added {normal} ({record.kind.value}).")
    if auth is MailboxAuth.GRANT:
        typer.echo("Next: press Re-authenticate on the page 'Gmail accounts' and sign in with this mailbox,")
        typer.echo(f"or send its owner a link: gmail-warmup mailboxes invite {normal}")
    else:
        typer.echo("Next: make its Workspace trust the service account; see docs/delegation.md.")


@app.command()
def pause(
    context: typer.Context,
    addresses: Addresses,
    reason: Annotated[str, typer.Option(help="Reason; shown on the page.")],
    until: Annotated[str, typer.Option(help="Local date on which they are resumed automatically, YYYY-MM-DD.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Pause mailboxes: tasks skip them until a date, or until they are resumed."""
    from gmail_warmup.mailboxes import repository

    with report_errors():
        options = {"actor": actor_name(), "reason": parse_reason(reason), "until": _parse_until(until)}
        named, changed = change_mailboxes(context, addresses, repository.pause_mailboxes, **options)
    print_changed("paused", named, changed, as_json=as_json)


def _parse_until(text: str) -> date | None:
    try:
        return parse_date(text) if text else None
    except ValueError as error:
        raise InvalidInputError(f"--until {text}: {error}.") from None


@app.command()
def resume(context: typer.Context, addresses: Addresses, as_json: JsonOption = False) -> None:
    """Resume paused mailboxes. Mails that were due during the pause are not sent later."""
    from gmail_warmup.mailboxes import repository

    with report_errors():
        named, changed = change_mailboxes(context, addresses, repository.resume_mailboxes, actor=actor_name())
    print_changed("resumed", named, changed, as_json=as_json)


@app.command()
def requalify(context: typer.Context, addresses: Addresses, as_json: JsonOption = False) -> None:
    """Let mailboxes that their health paused or blocked send a small fresh sample from today on.

    Use it after you fixed the cause. Mail of earlier days no longer counts.
    """
    from gmail_warmup.warmup.health import monitor

    with report_errors():
        named, changed = change_mailboxes(context, addresses, monitor.requalify_mailboxes, actor=actor_name())
    print_changed("requalified", named, changed, as_json=as_json)


app.command()(owner_and_tags.assign)
app.command("tags")(owner_and_tags.list_tags)
app.command()(invites.invite)
app.command()(sync.sync)
app.command("readiness")(readiness.list_readiness)
app.command()(removal.remove)
app.command("removals")(removal.list_removals)
app.command()(renaming.rename)
app.command("export-data")(documents.export_data)
app.add_typer(schedule.app, name="schedule")
app.command("import")(transfer.import_file)
app.command()(transfer.export)
