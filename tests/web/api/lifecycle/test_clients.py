"""OAuth clients through the API: register, move mailboxes by consents, retire."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from web.kit import API, CLIENT_SECRET, MOUNT, SECOND_CLIENT, SECOND_CLIENT_ID, Site, at_google, start

ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def second(site: Site, op: httpx.Client) -> str:
    """Register a second client; return its Connection."""
    site.sandbox.put_client(
        SECOND_CLIENT_ID, client_secrets=[CLIENT_SECRET], redirect_uris=[f"{site.origin}{MOUNT}/oauth/callback"]
    )
    assert post(op, "clients", conn_id=SECOND_CLIENT, user_limit=2)["state"] == "open"
    return SECOND_CLIENT


def post(browser: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = browser.post(f"{API}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def clients(browser: httpx.Client) -> dict[str, dict[str, Any]]:
    return {client["conn_id"]: client for client in browser.get(f"{API}/clients").json()["clients"]}


def consent(site: Site, op: httpx.Client, url: str, address: str) -> str:
    """Sign in on Google's page; return where the callback leads."""
    site.sandbox.put_mailbox(address)
    return str(op.get(at_google(url, address)).headers["location"])


def test_mailboxes_are_moved_one_consent_after_the_other_and_the_old_client_is_retired(
    site: Site, op: httpx.Client, second: str
):
    for address in (ADA, BOB):
        site.add(address)
        consent(site, op, start(op, address), address)
    assert {name: (c["users"], c["grants"]) for name, c in clients(op).items()} == {
        "gmail_oauth_client": (2, 2),
        second: (0, 0),
    }
    url = post(op, "clients/move", conn_id=second)["url"]
    for address in (ADA, BOB):
        assert parse_qs(urlsplit(url).query)["client_id"] == [SECOND_CLIENT_ID]
        assert f"OAuth client <strong>{second}</strong>" in op.get(f"{MOUNT}/repairs").text
        url = consent(site, op, url, address)
    assert "2 moved, 0 skipped" in op.get(f"{MOUNT}/repairs").text
    assert {name: c["grants"] for name, c in clients(op).items()} == {"gmail_oauth_client": 0, second: 2}
    full = op.post(f"{API}/mailboxes", json={"address": "eve@example.com", "settings": {"kind": "pool"}})
    assert full.status_code == 200
    assert clients(op)[second]["places_left"] == 0
    assert post(op, "clients/retire", conn_id=second)["state"] == "retiring"
    assert post(op, "clients/reopen", conn_id=second)["state"] == "open"


def test_what_breaks_a_rule_is_refused_with_its_remedy(site: Site, op: httpx.Client, second: str):
    for body, text in (
        ({"conn_id": "unknown"}, "The Airflow Connection 'unknown' (an OAuth client) is missing"),
        ({"conn_id": second, "tags": ["x" * 51]}, "has 51 characters"),
        ({"conn_id": "desk"}, "The Airflow Connection 'desk' needs the client id as its login"),
    ):
        answer = op.post(f"{API}/clients", json=body)
        assert answer.status_code == 422
        assert text in answer.text
    assert op.post(f"{API}/clients", json={"conn_id": second, "user_limit": -1}).status_code == 422
    assert (
        "is the default OAuth client" in op.post(f"{API}/clients/retire", json={"conn_id": "gmail_oauth_client"}).text
    )
    assert "or none matches" in op.post(f"{API}/clients/move", json={"conn_id": second}).text
    assert clients(op)[second]["user_limit"] == 2


def test_a_client_without_enough_places_gets_no_mailbox(site: Site, op: httpx.Client, second: str):
    post(op, "clients", conn_id=second, user_limit=0)
    site.add(ADA)
    consent(site, op, start(op, ADA), ADA)
    answer = op.post(f"{API}/clients/move", json={"conn_id": second})
    assert answer.status_code == 422
    assert "has 0 of 0 users, and 1 mailbox would be moved to it" in answer.text
    assert op.get(f"{MOUNT}/repairs").text.count("No repair queue") == 1
