"""The commands about OAuth clients."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.world import World


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> str:
    """Create the Connection of a second client; return its id."""
    value = {"conn_type": "gmail_oauth_client", "login": "client-2.apps.example.com", "password": "GOCSPX-2"}
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(value))
    return "second"


@pytest.mark.usefixtures("second")
def test_a_client_is_registered_listed_and_retired(world: World, shell: Any):
    world.add("ada@pool.example")
    said = shell("clients", "set", "second", "--user-limit", "100", "--tag", "Brand A")
    assert "second (client-2.apps.example.com) is open: 0 of 100 users; 0 mailboxes. Tags: brand a." in said
    assert "0 of 7 users; 0 mailboxes. Tags: brand a." in shell("clients", "set", "second", "--user-limit", "7")
    assert "0 users, no limit; 0 mailboxes. Tags: brand a." in shell("clients", "set", "second", "--no-limit")
    assert shell("clients", "set", "second", "--no-tags").strip().endswith("0 users, no limit; 0 mailboxes.")
    assert "0 of 100 users; 0 mailboxes." in shell("clients", "set", "second", "--user-limit", "100")
    listed = shell("clients", "list")
    assert "GOCSPX" not in listed
    assert listed.index("gmail_oauth_client") < listed.index("second")
    assert "is retired: 0 of 100 users" in shell("clients", "retire", "second")
    assert "is open: 0 of 100 users" in shell("clients", "reopen", "second")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--user-limit", "1", "--no-limit"), "--user-limit and --no-limit exclude each other"),
        (("--tag", "a", "--no-tags"), "--tag and --no-tags exclude each other"),
    ],
)
def test_options_that_contradict_each_other_are_refused(shell: Any, options: tuple[str, ...], text: str):
    shell("clients", "set", "second", *options, code=2)
    assert text in shell.err


def test_a_queue_of_a_move_is_made_for_an_airflow_user(
    world: World, shell: Any, second: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    world.add("ada@pool.example")
    world.add("bob@other.example")
    shell("clients", "set", second, "--user-limit", "1")
    assert "2 mailboxes would be moved to it. Select fewer, or another client." in shell(
        "clients", "move", second, "--dry-run"
    )
    shell("clients", "move", second, code=2)
    assert "--user is missing" in shell.err
    shell("clients", "move", second, "--user", "maria", "--domain", "no.example", code=2)
    assert "or none matches" in shell.err
    said = shell("clients", "move", second, "--user", "maria", "--domain", "pool.example")
    assert "Queued 1 mailbox for second." in said
    assert "maria opens https://airflow.example.com/" in said
    queued = world.rows(
        "SELECT airflow_user, address, client_conn_id FROM gmail_warmup.repair"
        " JOIN gmail_warmup.mailbox ON mailbox.id = mailbox_id"
    )
    assert queued == [("maria", "ada@pool.example", second)]


def test_mailboxes_are_listed_by_client(world: World, shell: Any, second: str):
    world.add("ada@pool.example")
    world.add("bob@pool.example")
    shell("clients", "set", second)
    world.sql(
        "UPDATE gmail_warmup.oauth_grant SET client_id = 'client-2.apps.example.com' WHERE mailbox_id ="
        " (SELECT id FROM gmail_warmup.mailbox WHERE address = 'bob@pool.example')"
    )
    found = json.loads(shell("mailboxes", "list", "--client", second, "--json"))
    assert [(row["address"], row["client_conn_id"]) for row in found] == [("bob@pool.example", second)]


def test_a_missing_connection_is_named(shell: Any):
    shell("clients", "set", "unknown", code=2)
    assert "The Airflow Connection 'unknown' (an OAuth client) is missing" in shell.err
