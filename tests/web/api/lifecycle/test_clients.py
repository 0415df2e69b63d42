"""OAuth clients through the API: register, move mailboxes by consents, retire."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from web.kit import (
    API,
    CLIENT_ID,
    CLIENT_SECRET,
    LIST,
    MOUNT,
    SECOND_CLIENT,
    SECOND_CLIENT_ID,
    Site,
    at_google,
    follow,
    invite,
    start,
)

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
    assert "client=gmail_oauth_client" in op.get(f"{LIST}?columns=client").text
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


def test_a_client_that_is_full_before_the_queue_is_done_is_named_on_its_page(site: Site, op: httpx.Client, second: str):
    for address in (ADA, BOB):
        site.add(address)
        consent(site, op, start(op, address), address)
    url = post(op, "clients/move", conn_id=second)["url"]
    post(op, "clients", conn_id=second, user_limit=1)
    assert consent(site, op, url, ADA).endswith("/repairs")
    page = op.get(f"{MOUNT}/repairs").text
    assert "1 moved, 0 skipped, 1 failed." in page
    assert "has 1 of 1 user, and 1 mailbox would be moved to it." in page
    assert site.grant(BOB)["state"] == "active", "it keeps its present grant"


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


def break_places(site: Site, op: httpx.Client) -> str:
    """Let no client have a place; return what the operator's log says then."""
    for conn_id in ("gmail_oauth_client", SECOND_CLIENT):
        post(op, "clients", conn_id=conn_id, user_limit=0)
    return "No OAuth client has a place for another user (gmail_oauth_client: 0 of 0 users, open; second_client:"


def break_connection(site: Site, op: httpx.Client, conn_id: str, text: str) -> str:
    """Assign the mailbox to a client whose Connection is not usable."""
    post(op, "mailboxes/change", addresses=[ADA], changes={"tags": "brand"})
    site.sql(
        "INSERT INTO gmail_warmup.oauth_client (conn_id, client_id, tags) VALUES (:id, 'client-9', ARRAY['brand'])",
        id=conn_id,
    )
    return text


def lose_connection(site: Site, op: httpx.Client) -> str:
    return break_connection(
        site, op, "client_lost", "The Airflow Connection 'client_lost' (an OAuth client) is missing"
    )


def mistype_connection(site: Site, op: httpx.Client) -> str:
    return break_connection(site, op, "desk", "The Airflow Connection 'desk' ")


@pytest.mark.parametrize("break_it", [break_places, lose_connection, mistype_connection])
def test_an_invited_owner_reads_whom_to_tell_and_the_operator_reads_why(
    site: Site, op: httpx.Client, second: str, break_it: Any
):
    site.add(ADA)
    token, said = invite(op, ADA), break_it(site, op)
    with site.stranger() as owner:
        answer = owner.post(f"{MOUNT}/invite/start", json={"token": token})
    assert answer.status_code == 503
    assert "tell the person who sent you the link: they can fix it" in answer.json()["detail"]
    for word in ("client", "Connection", "Airflow", "gmail_", second):
        assert word not in answer.text
    assert said in site.log()
    refused = op.post(f"{API}/consents", json={"address": ADA, "purpose": "reauth"})
    assert refused.status_code == 503
    assert said in refused.json()["detail"]


def test_an_error_after_the_consent_tells_an_invited_owner_nothing_either(site: Site, op: httpx.Client):
    site.add(ADA)
    with site.stranger() as owner:
        callback = at_google(follow(owner, invite(op, ADA)), ADA)
        site.sql("INSERT INTO gmail_warmup.oauth_client (conn_id, client_id) VALUES ('twin', :id)", id=CLIENT_ID)
        page = owner.get(callback)
    assert page.status_code == 503
    assert "tell the person who sent you the link" in page.text
    assert "twin" not in page.text
    assert "The Connections 'twin' and 'gmail_oauth_client' have the same client id" in site.log()


def test_a_user_beyond_googles_limit_stays_on_googles_page_and_ours_explains_it(site: Site, op: httpx.Client):
    callback = f"{site.origin}{MOUNT}/oauth/callback"
    site.sandbox.put_client(CLIENT_ID, client_secrets=[CLIENT_SECRET], redirect_uris=[callback], user_limit=1)
    for address in (ADA, BOB):
        site.add(address)
    consent(site, op, start(op, ADA), ADA)
    url = post(op, "repairs")["url"]
    with httpx.Client(timeout=60) as google:
        page = google.get(url)
    assert page.status_code == 400
    assert "location" not in page.headers
    assert "Sign in with Google temporarily disabled for this app" in page.text
    assert site.grant(BOB)["state"] == "needs_reauth"
    assert site.sql("SELECT used_at FROM gmail_warmup.consent ORDER BY id DESC LIMIT 1") == [{"used_at": None}]
    for path in ("repairs", f"mailboxes/{BOB}"):
        text = op.get(f"{MOUNT}/{path}").text
        assert "Sign in with Google temporarily disabled for this app" in text
        assert "its 100 users are used up" in text
    assert "1 of 1" in op.get(f"{MOUNT}/repairs").text, "the mailbox still waits in the queue"
