"""The OAuth client of a consent: assigned by a tag, the present one, the default one, or one with a place left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.tags import set_tags
from gmail_warmup.oauth.access_tokens import AccessTokens
from gmail_warmup.oauth.clients import moving, registry
from gmail_warmup.oauth.clients.choice import choose_client
from gmail_warmup.oauth.consent import repair_queue
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.token_endpoint import OAuthClient, TokenEndpoint
from support.mail_kit import ADA
from support.world import CLIENT_ID, CLIENT_SECRET, World
from web.kit import at_google

DEFAULT, SECOND, THIRD = "gmail_oauth_client", "second", "third"
IDS = {DEFAULT: CLIENT_ID, SECOND: "client-2.apps.example.com", THIRD: "client-3.apps.example.com"}
URI = "http://localhost/callback"
OP = BrowserSession(user="op", browser="browser")


@pytest.fixture
def clients(world: World) -> Callable[[str | None], TokenEndpoint]:
    """Register three clients here and at Google; return what opens their token endpoints."""
    for conn_id, client_id in IDS.items():
        world.sandbox.put_client(client_id, client_secrets=[CLIENT_SECRET], redirect_uris=[URI])
        put(world, conn_id)

    def open_endpoint(conn_id: str | None) -> TokenEndpoint:
        client = OAuthClient(
            client_id=IDS[conn_id or DEFAULT],
            secrets=(CLIENT_SECRET,),
            auth_uri=world.client.auth_uri,
            token_uri=world.client.token_uri,
            api_endpoint=world.client.api_endpoint,
        )
        return TokenEndpoint(client)

    return open_endpoint


def put(world: World, conn_id: str, *, limit: int | None = None, tags: tuple[str, ...] = ()) -> None:
    with write_transaction(world.store.engine) as connection:
        changes: registry.ClientChanges = {"user_limit": limit, "tags": tags}
        registry.set_client(connection, conn_id, IDS[conn_id], changes, default=DEFAULT, actor="test")


def retire(world: World, conn_id: str) -> registry.Client:
    with write_transaction(world.store.engine) as connection:
        return registry.set_retired(connection, conn_id, retired=True, default=DEFAULT, actor="test")


def get(world: World, conn_id: str) -> registry.Client:
    with read_transaction(world.store.engine) as connection:
        return registry.get_client(connection, conn_id, default=DEFAULT)


def choose(world: World, mailbox_id: int | None = None, **options: Any) -> str:
    with read_transaction(world.store.engine) as connection:
        return choose_client(connection, default=DEFAULT, mailbox_id=mailbox_id, **options).conn_id


def tag(world: World, mailbox_id: int, *tags: str) -> None:
    with write_transaction(world.store.engine) as connection:
        set_tags(connection, {mailbox_id: tags})


def consent(world: World, flow: ConsentFlow, url: str, address: str = ADA) -> str:
    """Sign in on Google's page; return the client id for which it asked."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(at_google(url, address)).query).items()}
    flow.finish(state=query["state"], code=query["code"], error="", session=OP)
    return parse_qs(urlsplit(url).query)["client_id"][0]


@pytest.mark.usefixtures("clients")
def test_a_client_of_a_tag_serves_the_mailboxes_with_the_tag_and_no_others(world: World):
    put(world, SECOND, tags=("Brand A",))
    mailbox_id = world.add(ADA)
    assert choose(world, mailbox_id) == DEFAULT
    tag(world, mailbox_id, "brand a")
    assert choose(world, mailbox_id) == SECOND
    assert choose(world, tags=["brand a"]) == SECOND
    put(world, DEFAULT, limit=0)
    assert choose(world) == THIRD


@pytest.mark.usefixtures("clients")
def test_a_full_client_keeps_its_users_and_gets_no_new_ones(world: World):
    mailbox_id = world.add(ADA)
    put(world, DEFAULT, limit=1)
    assert choose(world, mailbox_id) == DEFAULT
    assert choose(world) == SECOND
    put(world, SECOND, limit=0)
    put(world, THIRD, limit=0)
    with pytest.raises(ConfigurationError, match=r"gmail_oauth_client: 1 of 1 user, open; second: 0 of 0 users, open"):
        choose(world)


@pytest.mark.usefixtures("clients")
def test_a_removed_mailbox_keeps_its_place_because_google_counts_it_for_ever(world: World):
    world.add(ADA)
    world.sql("DELETE FROM gmail_warmup.mailbox")
    found = get(world, DEFAULT)
    assert (found.users, found.grants) == (1, 0)


def test_a_consent_and_each_refresh_use_the_client_that_was_chosen(
    world: World, clients: Callable[[str | None], TokenEndpoint]
):
    mailbox_id = world.add(ADA)
    flow = ConsentFlow(world.store, clients, redirect_uri=URI)
    assert consent(world, flow, flow.start_reauthentication(ADA, OP)) == CLIENT_ID
    tag(world, mailbox_id, "brand")
    put(world, SECOND, tags=("brand",))
    assert consent(world, flow, flow.start_reauthentication(ADA, OP)) == IDS[SECOND]
    assert (get(world, DEFAULT).grants, get(world, SECOND).grants) == (0, 1)
    world.sandbox.delete_client(CLIENT_ID)
    world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now()")
    assert AccessTokens(world.store, clients, actor=world.actor).get_token(ADA).token
    breakers = world.rows("SELECT client_id FROM gmail_warmup.breaker WHERE succeeded_at IS NOT NULL")
    assert breakers == [(IDS[SECOND],)]


@pytest.mark.parametrize(("tags", "chosen"), [((), SECOND), (("brand",), THIRD)])
def test_a_mailbox_that_is_added_again_keeps_its_client_unless_its_new_tags_have_another_one(
    world: World, clients: Callable[[str | None], TokenEndpoint], tags: tuple[str, ...], chosen: str
):
    mailbox_id = world.add(ADA)
    flow = ConsentFlow(world.store, clients, redirect_uri=URI)
    put(world, SECOND, tags=("former",))
    put(world, THIRD, tags=("brand",))
    tag(world, mailbox_id, "former")
    consent(world, flow, flow.start_reauthentication(ADA, OP))
    put(world, SECOND, limit=1)
    put(world, DEFAULT, limit=0)
    assert consent(world, flow, flow.start_addition(ADA, MailboxSettings(kind="pool", tags=tags), OP)) == IDS[chosen]


def test_a_new_mailbox_gets_the_client_of_its_tags(world: World, clients: Callable[[str | None], TokenEndpoint]):
    put(world, THIRD, tags=("brand",))
    world.sandbox.put_mailbox(ADA)
    flow = ConsentFlow(world.store, clients, redirect_uri=URI)
    url = flow.start_addition(ADA, MailboxSettings(kind="pool", tags=("brand",)), OP)
    assert consent(world, flow, url) == IDS[THIRD]


def test_a_queue_moves_mailboxes_and_the_empty_client_can_be_retired(
    world: World, clients: Callable[[str | None], TokenEndpoint]
):
    addresses = [f"a{number}@pool.example" for number in range(3)]
    flow = ConsentFlow(world.store, clients, redirect_uri=URI)
    ids = [world.add(address) for address in addresses]
    world.sql("UPDATE gmail_warmup.oauth_grant SET granted_at = NULL")  # imported, with an unknown time
    with write_transaction(world.store.engine) as connection:
        moving.start_move(connection, "op", SECOND, [Mailbox.id.in_(ids)], default=DEFAULT)
    for moved, address in enumerate(addresses):
        with read_transaction(world.store.engine) as connection:
            queue = repair_queue.load_queue(connection, "op")
        assert (queue.next, queue.position, queue.target) == (address, moved + 1, SECOND)
        assert consent(world, flow, flow.start_reauthentication(address, OP, queued=True), address) == IDS[SECOND]
    with read_transaction(world.store.engine) as connection:
        assert repair_queue.load_queue(connection, "op").next is None
    assert get(world, SECOND).grants == 3
    assert (get(world, DEFAULT).users, get(world, DEFAULT).grants) == (3, 0)


@pytest.mark.usefixtures("clients")
def test_a_retired_client_serves_its_mailboxes_until_they_are_moved(world: World):
    mailbox_id = world.add(ADA)
    world.sql("UPDATE gmail_warmup.oauth_grant SET client_id = :id", id=IDS[SECOND])
    assert choose(world, mailbox_id) == SECOND
    assert retire(world, SECOND).state == "retiring"
    assert choose(world, mailbox_id) == DEFAULT
    assert world.grant(ADA).client_conn_id == SECOND
    world.sql("UPDATE gmail_warmup.oauth_grant SET client_id = :id", id=CLIENT_ID)
    assert get(world, SECOND).state == "retired"
    assert choose(world, mailbox_id) == DEFAULT
