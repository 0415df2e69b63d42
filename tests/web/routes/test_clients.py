"""The page of the OAuth clients and what it calls, in this process."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fuzz.web import ADA, ORIGIN, PIA, page
from gmail_warmup.core.enums import Permission
from gmail_warmup.oauth.circuit_breaker import CircuitBreaker, RequestOutcome
from gmail_warmup.oauth.clients.names import GMAIL_API_PREFIX
from gmail_warmup.oauth.consent.repair_queue import MAX_QUEUE_LENGTH
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.web import permissions
from support.world import World

API = "/api/v1"
DEFAULT, SECOND, SECOND_ID = "gmail_oauth_client", "second", "client-2.apps.example.com"


@pytest.fixture
def browser(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    extra = {"auth_uri": world.client.auth_uri, "token_uri": world.client.token_uri}
    value = {"conn_type": "gmail_oauth_client", "login": SECOND_ID, "password": "GOCSPX-2", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(value))
    with page(world) as site:
        browser = TestClient(site.app, base_url=ORIGIN, headers={"Origin": ORIGIN})
        post(browser, "clients", conn_id=DEFAULT)
        yield browser


def post(browser: TestClient, path: str, **body: Any) -> dict[str, Any]:
    answer = browser.post(f"{API}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def show(browser: TestClient, path: str = "/clients") -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def get_row(browser: TestClient, conn_id: str) -> str:
    """Return the row of a client on the page."""
    return show(browser).split(f'<tr role="row" data-client="{conn_id}">')[1].split("</tr>")[0]


def preview(browser: TestClient, **query: str) -> dict[str, Any]:
    answer = browser.get(f"{API}/clients/move", params={"conn_id": SECOND} | query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_one_client_needs_no_others(browser: TestClient):
    text = show(browser)
    assert "It is enough for most installations." in text
    assert 'data-ask="client-move"' not in text
    assert 'data-ask="client-retire"' not in text, "the default client cannot be retired"
    assert "2</a>" in get_row(browser, DEFAULT)
    assert 'name="client"' not in show(browser, "/mailboxes")


def test_each_client_has_its_limit_its_places_and_its_mailboxes(browser: TestClient):
    post(browser, "clients", conn_id=SECOND, user_limit=100, tags=["brand a"])
    text = get_row(browser, SECOND)
    for part in (
        "client-2<wbr>.apps.example.com",
        "0 of 100",
        "100 places left",
        "tag=brand%20a",
        "Open",
        "Move mailboxes here",
        "Retire",
    ):
        assert part in text, part
    assert "Default" not in text
    text = get_row(browser, DEFAULT)
    assert "Default" in text
    assert "no limit" in text
    assert "It is enough for most installations." not in show(browser)
    assert post(browser, "clients/retire", conn_id=SECOND)["state"] == "retired"
    text = get_row(browser, SECOND)
    assert "its Connection can be deleted" in text
    assert "Reopen" in text
    assert "Move mailboxes here" not in text


@pytest.mark.parametrize(
    ("body", "limit", "tags"),
    [
        ({}, 7, ["brand"]),
        ({"tags": ["other"]}, 7, ["other"]),
        ({"tags": []}, 7, []),
        ({"user_limit": 9}, 9, ["brand"]),
        ({"user_limit": None}, None, ["brand"]),
    ],
)
def test_a_value_that_is_left_out_is_kept(
    browser: TestClient, body: dict[str, Any], limit: int | None, tags: list[str]
):
    post(browser, "clients", conn_id=SECOND, user_limit=7, tags=["brand"])
    changed = post(browser, "clients", conn_id=SECOND, **body)
    assert (changed["user_limit"], changed["tags"]) == (limit, tags)


@pytest.mark.parametrize("prefix", ["", GMAIL_API_PREFIX])
def test_a_client_that_google_refuses_is_marked_and_no_other(world: World, browser: TestClient, prefix: str):
    post(browser, "clients", conn_id=SECOND)
    breaker = CircuitBreaker(world.store.engine, f"{prefix}{SECOND_ID}")
    breaker.record_outcomes([RequestOutcome(mailbox_id=1, reason=REASONS["invalid_client"])])
    text = get_row(browser, SECOND)
    assert "No requests are sent" in text
    assert REASONS["invalid_client"].message in text
    assert REASONS["invalid_client"].remedy in text
    assert "No requests are sent" not in get_row(browser, DEFAULT)
    found = {client["conn_id"]: client for client in browser.get(f"{API}/clients").json()["clients"]}
    assert found[SECOND]["breaker"]["reason"] == "invalid_client"
    assert (found[DEFAULT]["breaker"], found[DEFAULT]["problems"]) == (None, [])


def test_mailboxes_that_need_a_person_are_counted_for_their_client(world: World, browser: TestClient):
    post(browser, "clients", conn_id=SECOND)
    world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'")
    assert "2 need a person" in get_row(browser, DEFAULT)
    assert "a person" not in get_row(browser, SECOND)


@pytest.mark.parametrize(
    ("query", "matching"),
    [
        ({}, 2),
        ({"client": DEFAULT}, 2),
        ({"client": SECOND}, 0),
        ({"client": "unknown\x00"}, 0),
        ({"domain": "warm.example"}, 1),
        ({"tag": "brand"}, 1),
        ({"tag": "none"}, 0),
        ({"domain": "pool.example", "tag": "brand"}, 0),
    ],
)
def test_a_move_takes_what_its_preview_counted(browser: TestClient, query: dict[str, str], matching: int):
    post(browser, "clients", conn_id=SECOND, user_limit=5)
    post(browser, "mailboxes/change", addresses=[ADA], changes={"tags": "brand"})
    found = preview(browser, **query)
    assert (found["matching"], found["queued"], found["new_users"], found["places_left"]) == (matching,) * 3 + (5,)
    answer = browser.post(f"{API}/clients/move", json={"conn_id": SECOND, "filter": query})
    if not matching:
        assert answer.status_code == 422
        assert answer.json()["detail"] == found["problem"]
        return
    assert found["problem"] == found["note"] == ""
    assert (answer.json()["mailboxes"], answer.json()["matching"]) == (matching, matching)
    assert f"Your queue moves {matching} mailbox" in show(browser)


@pytest.mark.parametrize(("state", "text"), [("full", "has 1 of 1 user"), ("retired", "is retired. Reopen it first.")])
def test_a_preview_says_why_mailboxes_cannot_be_moved(world: World, browser: TestClient, state: str, text: str):
    post(browser, "clients", conn_id=SECOND, user_limit=1)
    world.sql(f"INSERT INTO gmail_warmup.oauth_client_user (client_id) VALUES ('{SECOND_ID}')")
    if state == "retired":
        post(browser, "clients/retire", conn_id=SECOND)
    assert text in preview(browser)["problem"]
    assert text in browser.post(f"{API}/clients/move", json={"conn_id": SECOND}).json()["detail"]


def fill(world: World, number: int) -> None:
    """Add mailboxes with a revoked grant of the default client."""
    world.sql(
        "WITH m AS (INSERT INTO gmail_warmup.mailbox (address, kind, created_by)"
        " SELECT 'box' || n || '@many.example', 'pool', 't' FROM generate_series(1, :number) AS n RETURNING id)"
        " INSERT INTO gmail_warmup.oauth_grant (mailbox_id, client_id, refresh_token, state, reason)"
        " SELECT id, :client, 'x', 'needs_reauth', 'expired_or_revoked' FROM m",
        number=number, client=world.client.client_id,
    )  # fmt: skip


def test_more_mailboxes_than_a_queue_takes_are_counted_and_follow_in_another_one(world: World, browser: TestClient):
    post(browser, "clients", conn_id=SECOND)
    fill(world, MAX_QUEUE_LENGTH + 2)
    assert "(the first 1,000 of 1,002)" in show(browser, "/mailboxes")
    repairs = post(browser, "repairs")
    assert (repairs["mailboxes"], repairs["matching"]) == (1000, 1002)
    assert "If more match, start" in show(browser, "/repairs")
    found = preview(browser, domain="many.example")
    assert (found["matching"], found["queued"]) == (1002, 1000)
    assert found["note"] == (
        "1,002 mailboxes match, and a queue takes 1,000. When it is done, start the same move again for the others."
    )
    moved = post(browser, "clients/move", conn_id=SECOND, filter={"domain": "many.example"})
    assert (moved["mailboxes"], moved["matching"]) == (1000, 1002)
    assert "start the same move again" in " ".join(show(browser, "/repairs").split())


def test_the_pages_of_a_moving_queue_speak_of_moving(world: World, browser: TestClient):
    post(browser, "clients", conn_id=SECOND)
    post(browser, "clients/move", conn_id=SECOND)
    text = show(browser, "/repairs")
    assert "<h1>Move to second</h1>" in text
    assert "Move (1 of 2)" in text
    post(browser, "repairs/skip", address=ADA)
    assert "Move (2 of 2)" in show(browser, "/repairs")
    assert f'aria-label="Move {ADA}">Move</button>' in show(browser, "/repairs")
    world.sql(f"UPDATE gmail_warmup.oauth_grant SET client_id = '{SECOND_ID}' WHERE mailbox_id ="
              f" (SELECT id FROM gmail_warmup.mailbox WHERE address = '{PIA}')")  # fmt: skip
    text = show(browser, "/repairs")
    assert "1 moved, 1 skipped, 0 failed." in text
    assert "Move the other 1" in text
    assert "Sign in" not in text
    assert "Back to the OAuth clients" in text
    assert "Sign in again" not in show(browser)


@pytest.mark.parametrize(("state", "text"), [("full", "has 1 of 1 user"), ("retired", "is retired. Reopen it first.")])
def test_a_queue_stops_at_a_client_that_gets_no_further_mailbox(
    world: World, browser: TestClient, state: str, text: str
):
    post(browser, "clients", conn_id=SECOND)
    post(browser, "clients/move", conn_id=SECOND)
    if state == "retired":
        post(browser, "clients/retire", conn_id=SECOND)
    else:
        post(browser, "clients", conn_id=SECOND, user_limit=1)
        world.sql(f"INSERT INTO gmail_warmup.oauth_client_user (client_id) VALUES ('{SECOND_ID}')")
    answer = browser.post(f"{API}/repairs/sign-in", json={})
    assert answer.status_code == 422
    assert text in answer.json()["detail"]


def test_the_client_of_a_mailbox_is_shown_and_filters_the_list(world: World, browser: TestClient):
    post(browser, "clients", conn_id=SECOND)
    world.sql(f"UPDATE gmail_warmup.oauth_grant SET client_id = '{SECOND_ID}' WHERE mailbox_id ="
              f" (SELECT id FROM gmail_warmup.mailbox WHERE address = '{PIA}')")  # fmt: skip
    assert '<a href="../clients">second</a>' in show(browser, f"/mailboxes/{PIA}")
    assert "<option selected>second</option>" in show(browser, "/mailboxes?client=second")
    assert browser.get(f"{API}/mailboxes/{PIA}").json()["client_conn_id"] == SECOND
    for client, addresses in ((SECOND, [PIA]), (DEFAULT, [ADA]), ("unknown", [])):
        found = browser.get(f"{API}/mailboxes", params={"client": client}).json()
        assert [mailbox["address"] for mailbox in found["mailboxes"]] == addresses
        assert found["matching"] == len(addresses)
        text = show(browser, f"/mailboxes?client={client}")
        assert [address for address in (ADA, PIA) if f'data-address="{address}"' in text] == addresses
        assert [
            a for a in (ADA, PIA) if a in browser.post(f"{API}/export", json={"filter": {"client": client}}).text
        ] == addresses


def test_a_reader_sees_the_clients_without_actions(world: World, browser: TestClient, monkeypatch: pytest.MonkeyPatch):
    post(browser, "clients", conn_id=SECOND)
    for held, actions in (([], []), ([Permission.OPERATE], ["move"]), (list(Permission), ["set", "retire", "move"])):
        with monkeypatch.context() as patch:  # undone here, because the fixture replaces the same function
            patch.setattr(permissions, "find_permissions", lambda _, held=held: frozenset({Permission.READ, *held}))
            text = show(browser)
        found = [name for name in ("set", "retire", "reopen", "move") if f'data-ask="client-{name}"' in text]
        assert found == actions
