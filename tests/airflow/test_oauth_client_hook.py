"""The Connection of the OAuth client as Airflow's own classes use it: Test button, get_hook, form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.models.connection import Connection as ServerConnection
from airflow.providers_manager import ProvidersManager
from airflow.sdk import Connection as TaskConnection

from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.airflow.oauth_client_hook import OAuthClientHook
from gmail_warmup.oauth.token_endpoint import OAuthClient
from support.world import CLIENT_ID, CLIENT_SECRET, World

CONN_ID = "connection_being_tested"
KINDS = [ServerConnection, TaskConnection]
"""The class of the API server, and that of tasks."""


def connection(
    kind: Any, monkeypatch: pytest.MonkeyPatch, token_uri: str, *, login: str = CLIENT_ID, secret: str = CLIENT_SECRET
) -> Any:
    """Return a Connection that hooks find by its id, as Airflow arranges it before a test."""
    values = {"conn_type": "gmail_oauth_client", "login": login, "password": secret}
    values["extra"] = json.dumps({"token_uri": token_uri})
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(values))
    return kind(conn_id=CONN_ID, **values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("values", "accepted", "text"),
    [
        ({}, True, "accepts the client"),
        ({"secret": "GOCSPX-wrong"}, False, "secret"),
        ({"login": "unknown.apps.example.com"}, False, "Check the Airflow Connection"),
        ({"login": ""}, False, "client id"),
    ],
    ids=["right", "wrong secret", "unknown client", "no client id"],
)
def test_the_test_button_checks_client_id_and_secret(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: Any, values: dict[str, str], accepted: bool, text: str
):
    status, message = connection(kind, monkeypatch, world.client.token_uri, **values).test_connection()
    assert status is accepted
    assert text in message
    assert CLIENT_SECRET not in message


@pytest.mark.parametrize("kind", KINDS)
def test_get_hook_returns_the_client_and_opens_mailboxes(monkeypatch: pytest.MonkeyPatch, kind: Any):
    hook = connection(kind, monkeypatch, "https://token.example.com/token").get_hook()
    assert isinstance(hook, OAuthClientHook)
    client = hook.get_conn()
    assert isinstance(client, OAuthClient)
    assert (client.client_id, client.token_uri) == (CLIENT_ID, "https://token.example.com/token")
    assert isinstance(hook.get_mailbox_hook("ada@example.com"), GmailHook)


def test_the_test_button_reports_an_endpoint_that_does_not_respond(monkeypatch: pytest.MonkeyPatch):
    status, message = connection(ServerConnection, monkeypatch, "http://127.0.0.1:9/token").test_connection()
    assert (status, "127.0.0.1:9" in message) == (False, True)


def test_the_form_has_the_fields_of_the_connection():
    manager = ProvidersManager()
    behaviour = manager.field_behaviours["gmail_oauth_client"]
    assert behaviour["relabeling"] == {"login": "Client id", "password": "Client secret"}
    fields = {name for name in manager.connection_form_widgets if "gmail_oauth_client" in name}
    assert {name.rpartition("__")[2] for name in fields} == {"auth_uri", "token_uri"}
    hook = OAuthClientHook.get_ui_field_behaviour()
    assert {name: behaviour[name] for name in hook} == hook
    assert set(OAuthClientHook.get_connection_form_widgets()) == {"auth_uri", "token_uri"}
