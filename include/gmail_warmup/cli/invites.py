"""``gmail-warmup invites`` and ``mailboxes invite``: links for owners without an Airflow login."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.arguments import DEFAULT_LIMIT, Limit
from gmail_warmup.cli.output import JsonOption, actor_name, get_services, print_json, print_table, report_errors
from gmail_warmup.core.enums import InviteState
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.oauth.consent.invites import InviteRecord

app = typer.Typer(no_args_is_help=True, help="List and revoke invites.")


def invite(
    context: typer.Context,
    addresses: Annotated[list[str], typer.Argument(help="Addresses of mailboxes.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Create a link for the owner of each mailbox, who signs in at Google without an Airflow login.

    A link works once and is valid for the number of days in the setting invite_days. It is shown only now.
    """
    from gmail_warmup.airflow.configuration import load_urls
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.oauth.consent import invites

    with report_errors():
        urls = load_urls()  # if the base URL is not set, this fails before anything is created
        services = get_services(context)
        with write_transaction(services.engine) as connection:
            created = invites.create_invites(
                connection, addresses, actor=actor_name(), days=services.settings.invite_days
            )
        links = [
            {"id": new.id, "address": new.address, "url": urls.invite_url(new.token), "expires_at": new.expires_at}
            for new in created
        ]
    if as_json:
        print_json(links)
        return
    for link in links:
        typer.echo(f"{link['address']}\t{link['url']}")


@app.command("list")
def list_invites(
    context: typer.Context,
    address: Annotated[str, typer.Option(help="Only invites for this mailbox.")] = "",
    state: Annotated[InviteState | None, typer.Option(help="Only invites in this state.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """List invites without their links, newest first."""
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.db.paging import IdRange
    from gmail_warmup.oauth.consent.invites import InviteQuery, fetch_invite_page

    query = InviteQuery(address=address, state=state, position=IdRange(limit=limit))
    with report_errors(), read_transaction(get_services(context).engine) as connection:
        found = fetch_invite_page(connection, query).rows
    if as_json:
        print_json([_to_json_dict(record) for record in found])
        return
    rows = [(r.id, r.address, r.state.value, r.created_at, r.created_by, r.expires_at) for r in found]
    if rows:
        print_table(("invite", "mailbox", "state", "created (UTC)", "by", "expires (UTC)"), rows, fold="mailbox")
    typer.echo(pluralize(len(rows), "invite"))


@app.command()
def revoke(
    context: typer.Context,
    invite_id: Annotated[int, typer.Argument(min=1, help="Number of the invite.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Revoke an invite: invalidate its link and its unfinished consents."""
    from gmail_warmup.db.engine import write_transaction
    from gmail_warmup.oauth.consent import invites

    with report_errors(), write_transaction(get_services(context).engine) as connection:
        record = invites.revoke_invite(connection, invite_id, actor=actor_name())
    if as_json:
        print_json(_to_json_dict(record))
    else:
        typer.echo(f"The invite {record.id} for {record.address} is {record.state.value}.")


def _to_json_dict(record: InviteRecord) -> dict[str, Any]:
    """Return an invite for JSON, without internal ids."""
    return {name: value for name, value in asdict(record).items() if name != "mailbox_id"}
