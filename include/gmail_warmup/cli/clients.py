"""``gmail-warmup clients``: the OAuth clients, their limits and tags, moving mailboxes to one, and retiring one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.mailboxes.selection import build_conditions
from gmail_warmup.cli.output import JsonOption, actor_name, get_services, print_json, print_table, report_errors
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.oauth.clients.moving import MovePlan
    from gmail_warmup.oauth.clients.registry import Client, ClientChanges
    from gmail_warmup.oauth.clients.status import ClientStatus

app = typer.Typer(no_args_is_help=True, help="List, register and retire OAuth clients, and move mailboxes to one.")

_ConnId = Annotated[str, typer.Argument(help="Id of its Airflow Connection.", show_default=False)]


@app.command("list")
def list_clients(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the OAuth clients with their users, their mailboxes and what is wrong with them."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.oauth.clients.registry import describe_places
    from gmail_warmup.oauth.clients.status import load_client_statuses

    with report_errors():
        services = get_services(context)
        with read_transaction(services.engine) as connection:
            found = load_client_statuses(connection, default=services.settings.client_conn_id)
    if as_json:
        print_json([_status_to_dict(status) for status in found])
        return
    clients = [status.client for status in found]
    rows = [(c.conn_id, c.client_id, c.state.value, describe_places(c), c.grants, ", ".join(c.tags)) for c in clients]
    print_table(("client", "client id", "state", "users", "mailboxes", "tags"), rows, fold="tags")
    for status in found:
        for problem in status.problems:
            typer.echo(f"{status.client.conn_id}: {problem}")


@app.command("set")
def set_client(
    context: typer.Context,
    conn_id: _ConnId,
    user_limit: Annotated[int | None, typer.Option(min=0, help="Number of users that Google permits.")] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Remove the limit.")] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option(help="Mailboxes with this tag get their next grant from it; replaces its tags. Repeatable."),
    ] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Remove its tags.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Register the OAuth client of a Connection, or change its limit or tags. What is not given is kept."""
    from gmail_warmup.airflow.setup.oauth_clients import register_client

    with report_errors():
        changes = _build_changes(user_limit, no_limit=no_limit, tags=tag, no_tags=no_tags)
        client = register_client(get_services(context), conn_id, changes, actor=actor_name())
    _report(client, as_json=as_json)


def _build_changes(user_limit: int | None, *, no_limit: bool, tags: list[str] | None, no_tags: bool) -> ClientChanges:
    if no_limit and user_limit is not None:
        raise InvalidInputError("--user-limit and --no-limit exclude each other. Give one of them.")
    if no_tags and tags:
        raise InvalidInputError("--tag and --no-tags exclude each other. Give one of them.")
    changes: ClientChanges = {}
    if no_limit or user_limit is not None:
        changes["user_limit"] = user_limit
    if no_tags or tags:
        changes["tags"] = tags or []
    return changes


@app.command("move")
def move_mailboxes(
    context: typer.Context,
    conn_id: _ConnId,
    user: Annotated[str, typer.Option(help="Airflow user who signs in, and whose repair queue it replaces.")] = "",
    client: Annotated[str, typer.Option(help="Only mailboxes of the OAuth client with this Connection.")] = "",
    tag: Annotated[str, typer.Option(help="Only mailboxes with this tag.")] = "",
    domain: Annotated[str, typer.Option(help="Only addresses of this domain.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show how many mailboxes would be moved.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Queue the consents that move mailboxes to an OAuth client. The user gives them on the page of the queue."""
    from gmail_warmup.airflow.configuration import load_urls
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.oauth.clients import moving

    with report_errors():
        if not dry_run and not user:
            raise InvalidInputError("--user is missing: the Airflow user who signs in. Or pass --dry-run.")
        services = get_services(context)
        url, default = "" if dry_run else load_urls().repairs_url, services.settings.client_conn_id
        conditions = build_conditions(domain=domain, tag=tag, client=client)
        with write_transaction(services.engine) as connection:
            if dry_run:
                plan = moving.plan_move(connection, conn_id, conditions, default=default)
            else:
                plan = moving.start_move(connection, user, conn_id, conditions, default=default)
    _report_plan(plan, user="" if dry_run else user, url=url, as_json=as_json)


def _report_plan(plan: MovePlan, *, user: str, url: str, as_json: bool) -> None:
    if as_json:
        values = {name: getattr(plan, name) for name in ("matching", "queued", "new_users", "problem")}
        print_json({"conn_id": plan.target.conn_id, "user": user or None, "url": url or None, **values})
        return
    verb = "Queued" if user else "Would queue"
    typer.echo(f"{verb} {pluralize(plan.queued, 'mailbox')} for {plan.target.conn_id}.")
    for text in filter(None, (plan.problem, plan.limit_note)):
        typer.echo(text)
    if user:
        typer.echo(f"Next: {user} opens {url} and presses Move.")


@app.command("retire")
def retire_client(context: typer.Context, conn_id: _ConnId, as_json: JsonOption = False) -> None:
    """Give an OAuth client no further grants. Its mailboxes keep theirs until they are moved."""
    _set_retired(context, conn_id, retired=True, as_json=as_json)


@app.command("reopen")
def reopen_client(context: typer.Context, conn_id: _ConnId, as_json: JsonOption = False) -> None:
    """Give a retired OAuth client new grants again."""
    _set_retired(context, conn_id, retired=False, as_json=as_json)


def _set_retired(context: typer.Context, conn_id: str, *, retired: bool, as_json: bool) -> None:
    from gmail_warmup.airflow.setup.oauth_clients import set_client_retired

    with report_errors():
        client = set_client_retired(get_services(context), conn_id, retired=retired, actor=actor_name())
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


def _to_dict(client: Client) -> dict[str, Any]:
    return asdict(client) | {"state": client.state.value, "places_left": client.places_left}


def _status_to_dict(status: ClientStatus) -> dict[str, Any]:
    breaker = status.breaker
    opened = {"opened_at": breaker.opened_at, "reason": breaker.reason.code} if breaker else None
    return _to_dict(status.client) | {
        "flagged": status.flagged,
        "breaker": opened,
        "problems": list(status.problems),
    }
