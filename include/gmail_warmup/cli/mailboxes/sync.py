"""``gmail-warmup mailboxes sync``: add and pause delegated mailboxes as the directory of their Workspace says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.output import (
    NEEDS_PERSON,
    JsonOption,
    actor_name,
    get_services,
    print_json,
    print_table,
    report_errors,
)
from gmail_warmup.core.enums import MailboxAuth, MailboxKind
from gmail_warmup.core.errors import InvalidInputError

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.gmail.workspace.directory import DirectoryUser
    from gmail_warmup.transfer.directory_sync import Selection, SyncEntry


def sync(
    context: typer.Context,
    admin: Annotated[str, typer.Option(help="Address of an administrator who may read the directory.")],
    kind: Annotated[MailboxKind, typer.Option(help="Kind of the mailboxes that are added.")],
    delegated: Annotated[
        bool, typer.Option("--delegated", help="Required: mailboxes that a service account accesses.")
    ] = False,
    org_unit: Annotated[
        list[str] | None, typer.Option(help="Path of an organisational unit, with those below it. Repeatable.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Address of a group, with the groups in it. Repeatable.")
    ] = None,
    tag: Annotated[
        str, typer.Option(help="Tag of the selected mailboxes; one that has it and left the selection is paused.")
    ] = "",
    daily_target: Annotated[int, typer.Option(help="Mails a day of an added mailbox at the end of the ramp.")] = 40,
    timezone: Annotated[str, typer.Option(help="IANA name, for example Europe/Berlin.")] = "UTC",
    apply: Annotated[bool, typer.Option("--apply", help="Make the changes. Otherwise they are only shown.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the users of a Workspace with its delegated mailboxes: show, or apply, what is added and paused."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes.addresses import normalize_address
    from gmail_warmup.mailboxes.records import validate_mailbox_settings
    from gmail_warmup.mailboxes.tags import normalize_tag
    from gmail_warmup.transfer import directory_sync

    with report_errors():
        if not delegated:
            raise InvalidInputError("Only delegated mailboxes can be synchronised. Add --delegated.")
        admin, tag = normalize_address(admin), normalize_tag(tag) if tag else ""
        values = {"kind": kind, "auth": MailboxAuth.DELEGATED, "daily_target": daily_target, "timezone": timezone}
        settings = validate_mailbox_settings(values, address="an added mailbox")
        services = get_services(context)
        users, selection = _read_directory(services, admin, org_unit or [], group or [])
        directory_sync.require_users(selection, users)
        with read_transaction(services.engine) as connection:
            known = directory_sync.load_known(connection, users)
        entries = directory_sync.plan_sync(users, selection, known, settings, tag=tag)
        if apply:
            entries = _apply(services, entries, tag=tag)
    _print_entries(entries, applied=apply, as_json=as_json)
    if any(entry.error for entry in entries):
        raise typer.Exit(NEEDS_PERSON)


def _read_directory(
    services: Services, admin: str, org_units: Sequence[str], groups: Sequence[str]
) -> tuple[list[DirectoryUser], Selection]:
    from gmail_warmup.gmail.workspace.directory import DIRECTORY_ENDPOINT, MEMBER_SCOPE, USER_SCOPE, Directory
    from gmail_warmup.oauth.answers import Party
    from gmail_warmup.transfer.directory_sync import Selection

    settings, scopes = services.settings, (USER_SCOPE, *((MEMBER_SCOPE,) if groups else ()))
    account = services.build_service_account(scopes=scopes, party=Party.DIRECTORY_TOKEN)
    directory = Directory(
        admin,
        account.request_token,
        endpoint=settings.gmail_api_endpoint or DIRECTORY_ENDPOINT,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
    )
    with account, directory:
        members = {group: directory.list_members(group) for group in groups} or None
        return directory.list_users(), Selection(org_units=tuple(org_units), members=members)


def _apply(services: Services, entries: Sequence[SyncEntry], *, tag: str) -> list[SyncEntry]:
    """Apply the entries; if that ends early, for whatever cause, say how far it came."""
    from gmail_warmup.transfer import directory_sync

    done: list[SyncEntry] = []
    try:
        for entry in directory_sync.apply_sync(services.engine, entries, actor=actor_name(), tag=tag):
            done.append(entry)
    except BaseException:
        counts = _describe_counts(directory_sync.count_effects(done)) or "none"
        typer.echo(
            f"Stopped after {len(done)} of {len(entries)} mailboxes: {counts}. What was changed stays. Run the command "
            "again to continue.",
            err=True,
        )
        raise
    return done


def _print_entries(entries: Sequence[SyncEntry], *, applied: bool, as_json: bool) -> None:
    from gmail_warmup.transfer.directory_sync import SyncEffect, count_effects

    counts = count_effects(entries)
    shown = [entry for entry in entries if entry.reason or entry.effect is not SyncEffect.UNCHANGED]
    if as_json:
        print_json({"applied": applied, **counts, "mailboxes": [_to_dict(entry) for entry in shown]})
        return
    rows = [(e.address, "failed" if e.error else e.effect.value, e.error or e.reason) for e in shown]
    if rows:
        print_table(("mailbox", "effect", "reason"), rows, fold="reason")
    typer.echo(_describe_counts(counts) or "The directory is empty.")
    if not applied and any(counts[effect] for effect in (SyncEffect.ADD, SyncEffect.PAUSE, SyncEffect.TAG)):
        typer.echo("Nothing was changed. To make these changes, run the command again with --apply.")


def _describe_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number)


def _to_dict(entry: SyncEntry) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if name != "settings"}
