"""A task whose mailbox has a valid access token needs no Connection of the OAuth client: the plan has read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from gmail_warmup.airflow import tasks
from gmail_warmup.airflow.services import Services
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.gmail.errors import GmailUnavailableError
from gmail_warmup.oauth import client_cache
from support.mail_kit import ADA, POOL
from support.workers import connections
from support.world import FERNET_KEY, World

CONNECTION = "AIRFLOW_CONN_GMAIL_OAUTH_CLIENT"
NOWHERE = "http://127.0.0.1:9"

Act = Callable[[], dict[str, int]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Services]]:
    """Close what the tasks of the test opened."""
    made: list[Services] = []
    wire = tasks._build_services

    def keep() -> Services:
        made.append(wire())
        return made[-1]

    monkeypatch.setattr(tasks, "_build_services", keep)
    yield made
    for services in made:
        services.engine.dispose()


@pytest.fixture
def planned(world: World, monkeypatch: pytest.MonkeyPatch, opened: list[Services]) -> Act:
    """Plan a mailbox with a valid access token; return what does its task."""
    settings = {
        "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
        "AIRFLOW__GMAIL_WARMUP__SENDING_WINDOW": "00:00-24:00",
        "AIRFLOW__GMAIL_WARMUP__SENDING_DAYS": "mon,tue,wed,thu,fri,sat,sun",
        # A task sends one mail, and the next one is due at once.
        "AIRFLOW__GMAIL_WARMUP__MIN_GAP": "240",
        "AIRFLOW__GMAIL_WARMUP__DELAY_SCALE": "0.000001",
        "AIRFLOW__GMAIL_WARMUP__RAMP_START": "20",
        "AIRFLOW__GMAIL_WARMUP__PARTNER_DAILY_CAP": "20",
    }
    for name, value in (connections(world) | settings).items():
        monkeypatch.setenv(name, value)
    context = {"dag_run": SimpleNamespace(dag_id="gmail_warmup", run_id="r"), "params": {}}
    monkeypatch.setattr(tasks, "get_current_context", lambda: context)
    world.add(ADA, kind="warmup", expired=False)
    world.add(POOL[0], kind="pool", expired=False)
    assert tasks.plan_action("send", {}) == [ADA]
    return lambda: tasks.run_mailbox_action("send", ADA)


def test_a_valid_token_needs_no_connection_of_the_client(world: World, planned: Act, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(CONNECTION)
    assert planned() == {"sent": 1}
    assert world.token_requests() == 0


def test_a_refresh_needs_it(world: World, planned: Act, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(CONNECTION)
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now()")
    with pytest.raises(ConfigurationError, match="gmail_oauth_client"):
        planned()
    assert world.grant(ADA).lease_holder is None
    monkeypatch.setenv(CONNECTION, connections(world)[CONNECTION])
    assert planned() == {"sent": 1}
    assert world.token_requests(ADA) == 1


def test_a_change_of_the_connection_holds_from_the_next_plan_on(
    world: World, planned: Act, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(CONNECTION, connections(world, api_endpoint=NOWHERE)[CONNECTION])
    assert planned() == {"sent": 1}
    tasks.plan_action("send", {})
    with pytest.raises(GmailUnavailableError):
        planned()
    monkeypatch.setenv(CONNECTION, connections(world)[CONNECTION])
    tasks.plan_action("send", {})
    assert planned() == {"sent": 2}  # the mail that was begun, and the next one


def test_who_has_no_key_cannot_name_another_address(world: World, planned: Act):
    """What is no row of this package under its key is passed over, and the Connection is asked."""
    ciphertexts = (
        json.dumps({"client_id": world.client.client_id, "api_endpoint": NOWHERE}),
        world.store.cipher.encrypt("mailbox:1", json.dumps({"client_id": "x", "api_endpoint": NOWHERE})),
        world.store.cipher.encrypt(client_cache.OWNER, json.dumps({"of": "a later version"})),
    )
    for ciphertext in ciphertexts:
        world.sql("UPDATE gmail_warmup.client_in_use SET ciphertext = :it", it=ciphertext)
        assert planned() == {"sent": 1}
    world.sql("DELETE FROM gmail_warmup.client_in_use")
    assert planned() == {"sent": 1}


def test_nothing_secret_is_written_down(world: World, planned: Act):
    ((ciphertext,),) = world.rows("SELECT ciphertext FROM gmail_warmup.client_in_use")
    found = json.loads(world.store.cipher.decrypt(client_cache.OWNER, ciphertext))
    assert found == {"client_id": world.client.client_id, "api_endpoint": world.client.api_endpoint}
