"""``gmail-warmup mailboxes remove`` and ``removals``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.arguments import DEFAULT_LIMIT, Addresses, Limit
from gmail_warmup.cli.output import (
    NEEDS_PERSON,
    JsonOption,
    actor_name,
    get_services,
    print_json,
    print_table,
    report_errors,
)
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.mailboxes.removals import Removal

_REVOKES_ALL = (
    "Google ends every grant that the account gave to the Google Cloud project of the OAuth client, also those of "
    "other installations."
)


def remove(
    context: typer.Context,
    addresses: Addresses,
    revoke_grant: Annotated[
        bool, typer.Option("--revoke-grant", help=f"Also revoke the grant at Google. {_REVOKES_ALL}")
    ] = False,
    trash_mail: Annotated[
        bool, typer.Option("--trash-mail", help="Also move its warmup mail to the trash of the mailbox.")
    ] = False,
    confirm: Annotated[
        str, typer.Option(help="The address, or the number of several mailboxes. Default: it is prompted for.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Remove mailboxes: delete everything that is stored about them. This cannot be undone.

    Mails between a removed mailbox and another one stay as anonymous counts of the other one. The command waits for
    tasks that use a mailbox; if it is interrupted, gmail_monitor finishes the removal. Exit code 1 if a removal is not
    finished, or Google did not do what was requested.
    """
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes import removals, repository

    with report_errors():
        services = get_services(context)
        with read_transaction(services.engine) as connection:
            named = [record.address for record in repository.get_mailboxes(connection, addresses)]
        removals.require_confirmation(named, confirm or _ask(named, revoke_grant=revoke_grant, as_json=as_json))
        ids = _request(services, named, revoke_grant=revoke_grant, trash_mail=trash_mail)
        states = [_continue(services, removal_id) for removal_id in ids]
    _print_states(states, as_json=as_json)


def _ask(named: list[str], *, revoke_grant: bool, as_json: bool) -> str:
    if as_json:
        raise InvalidInputError("With --json, --confirm is required: the address, or the number of several mailboxes.")
    typer.echo(f"This deletes everything about {', '.join(named)}. It cannot be undone.", err=True)
    if revoke_grant:
        typer.echo(_REVOKES_ALL, err=True)
    what = "the address" if len(named) == 1 else "the number of mailboxes"
    return str(typer.prompt(f"Type {what} to confirm", err=True))


def _request(services: Services, named: list[str], *, revoke_grant: bool, trash_mail: bool) -> list[int]:
    from gmail_warmup.db.engine import retry_conflict, write_transaction
    from gmail_warmup.mailboxes import removals

    @retry_conflict
    def request() -> list[int]:
        with write_transaction(services.engine) as connection:
            return removals.request_removals(
                connection, named, revoke_grant=revoke_grant, trash_mail=trash_mail, actor=actor_name()
            )

    return request()


def _continue(services: Services, removal_id: int) -> Removal:
    from gmail_warmup.warmup.removal.run import continue_removal
    from gmail_warmup.warmup.removal.text import explain_problem

    def say(removal: Removal) -> None:
        typer.echo(f"Waiting for {removal.address}: {explain_problem(removal.problem or '')}", err=True)

    longest = services.settings.mailbox_lease + services.settings.refresh_lease
    return continue_removal(services.removal_tools, removal_id, wait=longest, on_wait=say)


def list_removals(
    context: typer.Context,
    go_on: Annotated[bool, typer.Option("--continue", help="Continue the removals in progress now.")] = False,
    limit: Limit = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """List the removals in progress, then the receipts of finished ones, newest first."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.mailboxes import removals

    with report_errors():
        services = get_services(context)
        with read_transaction(services.engine) as connection:
            found = removals.list_removals(connection, limit=limit)
        if go_on:
            found = [state if state.is_done else _continue(services, state.id) for state in found]
    if as_json:
        print_json([to_json_dict(state) for state in found])
        return
    rows = [
        (state.id, state.address, state.requested_at, state.requested_by, state.step.value, state.problem)
        for state in found
    ]
    if rows:
        titles = ("removal", "mailbox", "requested (UTC)", "by", "step", "waits for")
        print_table(titles, rows, fold="waits for")
    typer.echo(pluralize(len(rows), "removal"))


def _print_states(states: list[Removal], *, as_json: bool) -> None:
    from gmail_warmup.warmup.removal.text import describe_removal, is_complete

    if as_json:
        print_json([to_json_dict(state) for state in states])
    else:
        for state in states:
            typer.echo(f"Removal {state.id}: {describe_removal(state)}")
    if not all(map(is_complete, states)):
        raise typer.Exit(NEEDS_PERSON)


def to_json_dict(state: Removal) -> dict[str, Any]:
    """Return a removal for JSON, without internal values, with its description."""
    from gmail_warmup.warmup.removal.text import describe_removal

    hidden = ("mailbox_id", "trashed_until")
    values = {name: value for name, value in asdict(state).items() if name not in hidden}
    return values | {"description": describe_removal(state)}
