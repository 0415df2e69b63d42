"""The commands about OAuth clients."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.world import World


def test_a_client_is_registered_listed_and_retired(world: World, shell: Any, monkeypatch: pytest.MonkeyPatch):
    value = {"conn_type": "gmail_oauth_client", "login": "client-2.apps.example.com", "password": "GOCSPX-2"}
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(value))
    world.add("ada@pool.example")
    said = shell("clients", "set", "second", "--user-limit", "100", "--tag", "Brand A")
    assert "second (client-2.apps.example.com) is open: 0 of 100 users; 0 mailboxes. Tags: brand a." in said
    listed = shell("clients", "list")
    assert "GOCSPX" not in listed
    assert listed.index("gmail_oauth_client") < listed.index("second")
    assert "is retired: 0 of 100 users" in shell("clients", "retire", "second")
    assert "is open: 0 of 100 users" in shell("clients", "reopen", "second")


def test_a_missing_connection_is_named(shell: Any):
    shell("clients", "set", "unknown", code=2)
    assert "The Airflow Connection 'unknown' (an OAuth client) is missing" in shell.err
