"""Checks of the OAuth clients besides the default one, and of the places that are left."""

from __future__ import annotations

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.oauth.client_check import judge_client
from gmail_warmup.oauth.clients.registry import Client, ClientState, describe_places, list_clients

_FEW_PLACES = 10


def check_other_clients(context: DoctorContext) -> CheckOutcome:
    """Ask the token endpoint for each further client that some mailbox uses or may get."""
    others = [client for client in _list_clients(context) if not client.is_default]
    problems, steps = [], []
    for client in others:
        message, step = _find_problem(context, client)
        if message:
            problems.append(f"{client.conn_id}: {message}")
            steps.append(step)
    if problems:
        return Status.PROBLEM, " ".join(problems), " ".join(filter(None, dict.fromkeys(steps)))
    names = ", ".join(client.conn_id for client in others)
    return Status.OK, f"Accepted by the token endpoint: {names}." if names else "There is one client only."


def check_client_places(context: DoctorContext) -> CheckOutcome:
    """Report how many more users the clients may have together."""
    clients = [client for client in _list_clients(context) if client.state is ClientState.OPEN]
    found = "; ".join(f"{client.conn_id}: {describe_places(client)}" for client in clients)
    places = [client.places_left for client in clients]
    left = None if None in places else sum(place or 0 for place in places)
    if left is None or left > _FEW_PLACES:
        return Status.OK, f"{found}."
    step = "Let Google verify the app and remove its limit, or add another client; see docs/clients.md."
    return Status.WARNING, f"{left} left: {found}.", step


def _list_clients(context: DoctorContext) -> list[Client]:
    with read_transaction(context.services.engine) as connection:
        clients = list_clients(connection, default=context.services.settings.client_conn_id)
    return [client for client in clients if client.state is not ClientState.RETIRED]


def _find_problem(context: DoctorContext, client: Client) -> tuple[str, str]:
    """Return why a client does not work, and the remedy; empty texts if it does."""
    try:
        loaded = context.services.get_client(client.conn_id)
    except ConfigurationError as error:
        return str(error), ""
    if loaded.client_id != client.client_id:
        message = f"its Connection has the client id {loaded.client_id}, its grants are of {client.client_id}."
        return message, "Correct the login of the Connection, or register the new client under a Connection of its own."
    verdict = judge_client(loaded, context.probe_client(loaded))
    return ("", "") if verdict.is_complete else (verdict.message, verdict.remedy)
