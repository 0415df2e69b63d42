"""``gmail-warmup webhooks``: the receivers, the delivery log, sending again, and tests."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gmail_warmup.cli.arguments import DEFAULT_LIMIT, Limit
from gmail_warmup.cli.output import (
    NEEDS_PERSON,
    JsonOption,
    actor_name,
    get_services,
    print_json,
    print_table,
    report_errors,
)
from gmail_warmup.core.enums import DeliveryState
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.alerts.webhooks.delivery_log import DeliveryRecord

app = typer.Typer(no_args_is_help=True, help="List and repeat webhooks, and send tests.")


@app.command("receivers")
def list_receivers(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the receivers with their state."""
    from gmail_warmup.alerts.webhooks.delivery_log import load_receiver_states
    from gmail_warmup.db.engine import read_transaction

    with report_errors(), read_transaction(get_services(context).engine) as connection:
        found = load_receiver_states(connection)
    if as_json:
        print_json([asdict(receiver) for receiver in found])
        return
    rows = [(r.conn_id, r.waiting, r.waiting_since, r.given_up, r.delivered_at, r.problem or r.failure) for r in found]
    if rows:
        titles = ("receiver", "waiting", "since (UTC)", "given up", "last delivery (UTC)", "problem")
        print_table(titles, rows, fold="problem")
    typer.echo(pluralize(len(rows), "receiver"))


@app.command("list")
def list_deliveries(
    context: typer.Context,
    receiver: Annotated[str, typer.Option(help="Only deliveries to this receiver.")] = "",
    state: Annotated[DeliveryState | None, typer.Option(help="Only deliveries in this state.")] = None,
    address: Annotated[str, typer.Option(help="Only deliveries about mailboxes whose address contains this.")] = "",
    limit: Limit = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """List deliveries, newest first."""
    from gmail_warmup.alerts.webhooks.delivery_log import DeliveryQuery, load_deliveries
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.db.paging import IdRange

    query = DeliveryQuery(receiver=receiver, state=state, address=address, position=IdRange(limit=limit))
    with report_errors(), read_transaction(get_services(context).engine) as connection:
        found = load_deliveries(connection, query).rows
    if as_json:
        print_json([asdict(record) for record in found])
        return
    rows = [(r.id, r.type, r.address, r.receiver, r.state.value, r.created_at, r.failure) for r in found]
    if rows:
        titles = ("delivery", "event", "mailbox", "receiver", "state", "created (UTC)", "failure")
        print_table(titles, rows, fold="failure")
    typer.echo(pluralize(len(rows), "delivery", "deliveries"))


@app.command("test")
def send_test(
    context: typer.Context,
    receiver: Annotated[str, typer.Argument(help="Id of its Airflow Connection.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Send a test to a receiver now. Exit code 1: it did not accept it."""
    from gmail_warmup.airflow.webhooks import runner

    with report_errors():
        record = runner.send_test(get_services(context), receiver, actor=actor_name())
    _report(record, as_json=as_json)


@app.command("repeat")
def repeat_delivery(
    context: typer.Context,
    delivery: Annotated[int, typer.Argument(min=1, help="Number of the delivery.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Send a delivery again now, with the same message id. Exit code 1: it was not accepted."""
    from gmail_warmup.airflow.webhooks import runner

    with report_errors():
        record = runner.repeat_delivery(get_services(context), delivery, actor=actor_name())
    _report(record, as_json=as_json)


@app.command("secret")
def generate_secret() -> None:
    """Print a new random secret, for the password of a Connection and for the receiver."""
    from gmail_warmup.alerts.webhooks.receivers import generate_secret

    typer.echo(generate_secret())


def _report(record: DeliveryRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(record))
    elif record.state is DeliveryState.DELIVERED:
        typer.echo(f"{record.receiver} accepted the delivery {record.id} ({record.message_id}).")
    else:
        why = record.failure or "An earlier delivery of the same mailbox waits."
        typer.echo(f"{record.receiver} has not accepted the delivery {record.id}; it is tried again. {why}", err=True)
    if record.state is not DeliveryState.DELIVERED:
        sys.exit(NEEDS_PERSON)
