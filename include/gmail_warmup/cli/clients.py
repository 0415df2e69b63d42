"""``gmail-warmup clients``: the OAuth clients, their limits and tags, and retiring one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gmail_warmup.cli.output import JsonOption, actor_name, get_services, print_json, print_table, report_errors
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.oauth.clients.registry import Client

app = typer.Typer(no_args_is_help=True, help="List, register and retire OAuth clients.")

_ConnId = Annotated[str, typer.Argument(help="Id of its Airflow Connection.", show_default=False)]


@app.command("list")
def list_clients(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the OAuth clients with their users and mailboxes."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.oauth.clients import registry

    with report_errors():
        services = get_services(context)
        with read_transaction(services.engine) as connection:
            found = registry.list_clients(connection, default=services.settings.client_conn_id)
    if as_json:
        print_json([_to_dict(client) for client in found])
        return
    rows = [
        (c.conn_id, c.client_id, c.state.value, registry.describe_places(c), c.grants, ", ".join(c.tags)) for c in found
    ]
    print_table(("client", "client id", "state", "users", "mailboxes", "tags"), rows, fold="tags")


@app.command("set")
def set_client(
    context: typer.Context,
    conn_id: _ConnId,
    user_limit: Annotated[
        int | None, typer.Option(min=0, help="Number of users that Google permits; without it there is no limit.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="Mailboxes with this tag get their next grant from it. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Register the OAuth client of a Connection, or replace its limit and tags."""
    from gmail_warmup.airflow.setup.oauth_clients import register_client

    with report_errors():
        services = get_services(context)
        client = register_client(services, conn_id, user_limit=user_limit, tags=tag or (), actor=actor_name())
    _report(client, as_json=as_json)


@app.command("retire")
def retire_client(context: typer.Context, conn_id: _ConnId, as_json: JsonOption = False) -> None:
    """Give an OAuth client no further grants. Its mailboxes keep theirs until they are moved."""
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.oauth.clients import registry

    with report_errors():
        services = get_services(context)
        with write_transaction(services.engine) as connection:
            default = services.settings.client_conn_id
            client = registry.retire_client(connection, conn_id, default=default, actor=actor_name())
    _report(client, as_json=as_json)


@app.command("reopen")
def reopen_client(context: typer.Context, conn_id: _ConnId, as_json: JsonOption = False) -> None:
    """Give a retired OAuth client new grants again."""
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.oauth.clients import registry

    with report_errors():
        services = get_services(context)
        with write_transaction(services.engine) as connection:
            default = services.settings.client_conn_id
            client = registry.reopen_client(connection, conn_id, default=default, actor=actor_name())
    _report(client, as_json=as_json)


def _report(client: Client, *, as_json: bool) -> None:
    from gmail_warmup.oauth.clients.registry import describe_places

    if as_json:
        print_json(_to_dict(client))
        return
    tags = f" Tags: {', '.join(client.tags)}." if client.tags else ""
    mailboxes = pluralize(client.grants, "mailbox")
    typer.echo(
        f"{client.conn_id} ({client.client_id}) is {client.state}: {describe_places(client)}; {mailboxes}.{tags}"
    )


def _to_dict(client: Client) -> dict[str, object]:
    return asdict(client) | {"state": client.state.value, "places_left": client.places_left}
