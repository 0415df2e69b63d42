"""The page and the API of webhooks, in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from fuzz.web import ORIGIN, page
from gmail_warmup.alerts.webhooks.delivery import deliver_webhooks
from gmail_warmup.alerts.webhooks.receivers import UnusableReceiver
from support.webhook_kit import POLICY, Inbox, flag, receiving, to_connection
from support.world import World

API = "/api/v1/webhooks"


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with receiving() as found:
        monkeypatch.setenv("AIRFLOW_CONN_DESK", to_connection(found))
        yield found


@pytest.fixture
def browser(world: World, inbox: Inbox) -> Iterator[TestClient]:
    changes = {"webhook_conn_ids": "desk,lost", "webhook_private_addresses": True}
    world.settings = world.settings.model_copy(update=changes)
    with page(world) as site:
        yield TestClient(site.app, base_url=ORIGIN, headers={"Origin": ORIGIN})


def deliver(world: World, inbox: Inbox) -> None:
    lost = UnusableReceiver(conn_id="lost", problem="The Airflow Connection 'lost' is missing.")
    deliver_webhooks(world.store.engine, [inbox.receiver("desk"), lost], POLICY)


def test_the_page_shows_what_every_receiver_got(world: World, inbox: Inbox, browser: TestClient):
    text = browser.get("/webhooks").text
    assert "It gets events from the next run of a DAG on." in text
    deliver(world, inbox)
    text = browser.get("/webhooks").text
    assert "No delivery yet" in text
    assert "Works" not in text
    inbox.answer = lambda payload, before: 500
    flag(world.store.engine, 1)
    deliver(world, inbox)
    text = browser.get("/webhooks").text
    assert "The Airflow Connection &#39;lost&#39; is missing." in text
    assert text.count("The receiver answered HTTP 500.") == 2, "of the receiver, and of the delivery"
    assert "mailbox.needs_reauth" in text
    assert 'data-repeat="1"' in text
    assert inbox.url not in text
    assert "No delivery matches" in browser.get("/webhooks?state=delivered").text
    assert browser.get("/webhooks?state=unknown&before=x&address=%00").status_code == 200
    receivers = {row["conn_id"]: row for row in browser.get(f"{API}/receivers").json()["receivers"]}
    assert (receivers["desk"]["waiting"], receivers["desk"]["problem"]) == (1, None)
    assert receivers["lost"]["problem"]


def test_a_receiver_works_once_it_has_accepted_a_delivery(world: World, inbox: Inbox, browser: TestClient):
    deliver(world, inbox)
    flag(world.store.engine, 1)
    deliver(world, inbox)
    text = browser.get("/webhooks").text
    assert "Works" in text
    assert "No delivery yet" not in text


def test_a_delivery_is_repeated_and_a_test_is_sent(world: World, inbox: Inbox, browser: TestClient):
    deliver(world, inbox)
    flag(world.store.engine, 1)
    deliver(world, inbox)
    again = browser.post(f"{API}/deliveries/1/repeat", json={}).json()
    test = browser.post(f"{API}/test", json={"receiver": "desk"}).json()
    assert [(made["id"], made["state"]) for made in (again, test)] == [(2, "delivered"), (3, "delivered")]
    assert inbox.types == ["needs_reauth", "needs_reauth", "webhook.test"]
    assert [row["id"] for row in browser.get(f"{API}/deliveries?limit=2").json()["deliveries"]] == [3, 2]


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("test", {"receiver": "other"}, 422, "'other' is not a receiver of webhooks"),
        ("test", {"receiver": "lost"}, 422, "it is missing"),
        ("test", {}, 422, ""),
        ("deliveries/99/repeat", {}, 404, "There is no delivery 99"),
    ],
)
def test_a_wrong_request_is_answered_with_the_remedy(
    path: str, body: dict[str, str], status: int, detail: str, browser: TestClient
):
    answer = browser.post(f"{API}/{path}", json=body)
    assert answer.status_code == status
    assert detail in answer.json()["detail"]
