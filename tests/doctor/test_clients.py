"""The doctor names the OAuth client that does not work, and how many users still fit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gmail_warmup.airflow.services import Services
from gmail_warmup.db.engine import write_transaction
from gmail_warmup.doctor import Status
from gmail_warmup.doctor.clients import check_client_places, check_other_clients
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.oauth.clients.registry import set_client
from support.workers import services
from support.world import CLIENT_ID, CLIENT_SECRET, World

DEFAULT, SECOND, SECOND_ID = "gmail_oauth_client", "second", "client-2.apps.example.com"


def put(world: World, conn_id: str, client_id: str, limit: int | None = None) -> None:
    with write_transaction(world.store.engine) as connection:
        set_client(connection, conn_id, client_id, {"user_limit": limit}, default=DEFAULT, actor="test")


@pytest.fixture
def second(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register a second client; return a function that sets its Connection."""
    world.sandbox.put_client(SECOND_ID, client_secrets=[CLIENT_SECRET])
    put(world, SECOND, SECOND_ID)

    def connect(**values: Any) -> DoctorContext:
        extra = {"token_uri": world.client.token_uri}
        fields = {"conn_type": "gmail_oauth_client", "login": SECOND_ID, "password": CLIENT_SECRET, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(fields | values))
        return DoctorContext(services(world), None)

    return connect


def test_a_client_that_works_is_named(second: Any):
    assert check_other_clients(second()) == (Status.OK, "Accepted by the token endpoint: second.")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"password": "GOCSPX-wrong"}, "second: Secret 1 of 1:"),
        ({"password": ""}, "second: The Airflow Connection 'second' needs the client id as its login"),
        ({"conn_type": "postgres"}, "second: The Airflow Connection 'second' has the type 'postgres'"),
        ({"login": "client-9.apps.example.com"}, "second: its Connection has the client id client-9.apps.example.com"),
    ],
)
def test_a_client_that_does_not_work_is_named_with_its_error(second: Any, values: dict[str, str], text: str):
    status, found, *_ = check_other_clients(second(**values))
    assert status is Status.PROBLEM
    assert found.startswith(text)
    assert "GOCSPX" not in found


def test_a_missing_connection_is_named(second: Any, monkeypatch: pytest.MonkeyPatch):
    context = second()
    monkeypatch.delenv("AIRFLOW_CONN_SECOND")
    status, found, *_ = check_other_clients(context)
    assert status is Status.PROBLEM
    assert "The Airflow Connection 'second' (an OAuth client) is missing" in found


def test_one_client_is_all_that_is_needed(world: World):
    context = DoctorContext(services(world), None)
    assert check_other_clients(context) == (Status.OK, "There is one client only.")
    assert check_client_places(context) == (Status.OK, "gmail_oauth_client: 0 users, no limit.")


def test_places_that_run_out_are_a_warning(world: World):
    world.add("ada@pool.example")
    ready: Services = services(world)
    for limit, status in ((100, Status.OK), (11, Status.WARNING), (1, Status.WARNING)):
        put(world, DEFAULT, CLIENT_ID, limit)
        assert check_client_places(DoctorContext(ready, None))[0] is status
    assert check_client_places(DoctorContext(ready, None))[1].startswith("0 left: gmail_oauth_client: 1 of 1 user.")
