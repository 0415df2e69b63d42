"""The OAuth client is trimmed and validated wherever it comes from: the Connection, or the environment of ``init``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gmail_warmup.airflow.connections import load_oauth_client
from gmail_warmup.core.client_credentials import read_client_variables
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.settings import Settings

CLIENT_ID, SECRET = "client-1.apps.example.com", "GOCSPX-test-secret-1"
Read = Callable[[pytest.MonkeyPatch, str, str], tuple[str, str]]
"""Reads a client id and a secret; returns them as they are sent to Google."""


def read_connection(monkeypatch: pytest.MonkeyPatch, client_id: str, secret: str, **extra: Any) -> tuple[str, str]:
    fields = {"conn_type": "gmail_oauth_client", "login": client_id, "password": secret, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GMAIL_OAUTH_CLIENT", json.dumps(fields))
    client = load_oauth_client(Settings())
    return client.client_id, client.secrets[-1]


def read_further_secret(monkeypatch: pytest.MonkeyPatch, client_id: str, secret: str) -> tuple[str, str]:
    return read_connection(monkeypatch, client_id, "GOCSPX-test-secret-0", secrets=[secret])


def read_environment(_: pytest.MonkeyPatch, client_id: str, secret: str) -> tuple[str, str]:
    found = read_client_variables({"GOOGLE_CLIENT_ID": client_id, "GOOGLE_CLIENT_SECRET": secret})
    assert found
    return found.client_id, found.secret


WAYS: list[Read] = [read_connection, read_further_secret, read_environment]


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("padding", [" ", "\n", "\r\n", "\t", "\u00a0", "\u2003", "\u2028", " \n\t"], ids=ascii)
def test_white_space_around_a_value_is_removed(monkeypatch: pytest.MonkeyPatch, read: Read, padding: str):
    assert read(monkeypatch, padding + CLIENT_ID, SECRET + padding) == (CLIENT_ID, SECRET)


@pytest.mark.parametrize("read", WAYS)
@pytest.mark.parametrize("char", [" ", "\u200b", "\ufeff", "\u00ad", "\u202e", "\u00a0", "\x07", "é"], ids=ascii)
def test_any_other_character_is_named_and_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch, read: Read, char: str):
    for client_id, secret in ((f"cli{char}ent.apps.example.com", SECRET), (CLIENT_ID, f"GOCSPX{char}test-secret-1")):
        with pytest.raises(ConfigurationError) as refused:
            read(monkeypatch, client_id, secret)
        assert f"U+{ord(char):04X}" in str(refused.value)
        assert "GOCSPX" not in str(refused.value)
        assert "test-secret" not in str(refused.value)


@pytest.mark.parametrize("client_id", ["", "  ", "a/b", "https://example.com", "x"])
def test_a_client_id_has_its_form(monkeypatch: pytest.MonkeyPatch, client_id: str):
    for read in (read_connection, read_environment):
        with pytest.raises(ConfigurationError):
            read(monkeypatch, client_id, SECRET)


def test_the_endpoints_of_a_connection_are_trimmed(monkeypatch: pytest.MonkeyPatch):
    read_connection(monkeypatch, CLIENT_ID, SECRET, token_uri=" https://example.com/token\n")
    assert load_oauth_client(Settings()).token_uri == "https://example.com/token"
    with pytest.raises(ConfigurationError, match=r"The token_uri .* must be an http"):
        read_connection(monkeypatch, CLIENT_ID, SECRET, token_uri="example.com")
