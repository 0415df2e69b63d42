"""A mailbox is found by each spelling of its address or domain that a person may type."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes import lookup, repository
from gmail_warmup.mailboxes.addresses import list_search_texts, normalize_domain, to_stored_address
from gmail_warmup.warmup.reporting.changes import ChangeQuery, fetch_change_page
from gmail_warmup.warmup.reporting.weekly.scope import parse_scope
from gmail_warmup.web.queries import filters
from gmail_warmup.web.queries.filters import MailboxFilter
from gmail_warmup.web.queries.list_params import ListParams
from gmail_warmup.web.views.fleet_scope import FleetScope
from support.world import World

DOMAIN = "xn--bcher-kva.example"
ADA, OTHER = f"ada@{DOMAIN}", "adam@warm.example"
DOMAINS = [
    DOMAIN, "bücher.example", "BÜCHER.Example", "bücher.example.", "bücher。example", "bücher\uff0eexample\uff0e",
    "  bücher.example\u00a0", "@bücher.example", "XN--BCHER-KVA.EXAMPLE", "bu\u0308cher.example", "\uff42ücher.example",
]  # fmt: skip
ADDRESSES = [
    ADA, "ada@bücher.example", "ADA@BÜCHER.EXAMPLE", "ada@bücher.example.", "ada@bücher。example",
    " ada@bücher\uff0eexample\u3000", "Ada@xn--bcher-kva.example.",
]  # fmt: skip


@pytest.fixture
def ada(world: World) -> World:
    world.add(OTHER, kind="warmup")
    world.add(ADA, kind="warmup", owner_email=ADA, display_name="Ada")
    return world


def find(world: World, condition: sa.ColumnElement[bool]) -> list[str]:
    with world.store.engine.connect() as connection:
        return sorted(connection.scalars(sa.select(Mailbox.address).where(condition)))


def filtered(world: World, chosen: MailboxFilter) -> list[str]:
    return find(world, Mailbox.id.in_(filters.select_ids(chosen, expiring_days=14)))


@pytest.mark.parametrize("typed", DOMAINS)
def test_a_domain_is_known_in_each_spelling(ada: World, typed: str):
    assert normalize_domain(typed) == DOMAIN
    assert filtered(ada, ListParams.from_query({"domain": typed}).filter) == [ADA]
    assert filtered(ada, FleetScope.from_query({"domain": typed}).to_filter()) == [ADA]
    assert find(ada, parse_scope(f"domain:{typed}").condition) == [ADA]


@pytest.mark.parametrize("typed", ADDRESSES)
def test_an_address_is_known_in_each_spelling(ada: World, typed: str):
    assert to_stored_address(typed) == ADA
    assert filtered(ada, ListParams.from_query({"owner": typed}).filter) == [ADA]
    with ada.store.engine.connect() as connection:
        assert repository.get_mailbox(connection, typed).address == ADA
        assert {change.subject for change in fetch_change_page(connection, ChangeQuery(mailbox=typed)).rows} == {ADA}


PARTS = ["bücher", "Bücher", "BÜCHER.", "@bücher", "da@bücher", "bcher-kva", ".example", "ada@"]


@pytest.mark.parametrize("typed", [*DOMAINS, *ADDRESSES, *PARTS])
def test_a_search_finds_each_spelling_of_a_label_a_domain_or_an_address(ada: World, typed: str):
    assert ADA in filtered(ada, ListParams.from_query({"q": typed}).filter)


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ("Ada", ["ada"]),
        ("ada.", ["ada."]),
        ("a_b%", ["a_b%"]),
        ("", [""]),
        ("example.com.", ["example.com.", "example.com"]),
        ("büch er", ["büch er"]),
        ("xn--b", ["xn--b"]),
        ("a\x00b", ["a\ufffdb"]),
        ("\ud800", ["\ufffd" * 3]),
        ("ü" * 300, ["ü" * 300]),
    ],
)
def test_what_is_searched_for(typed: str, texts: list[str]):
    assert list_search_texts(typed) == texts


@pytest.mark.parametrize("typed", ["ada.", "q", "bücher.test", "%", "_dam@w_rm"])
def test_a_search_finds_nothing_else(ada: World, typed: str):
    assert find(ada, lookup.matches_text(typed)) == []


def test_a_search_finds_a_name(ada: World):
    ada.sql("UPDATE gmail_warmup.mailbox SET display_name = 'Bücher Ölde' WHERE address = :other", other=OTHER)
    assert find(ada, lookup.matches_text("ÖLDE")) == [OTHER]
    assert find(ada, lookup.matches_text("BÜCHER")) == [ADA, OTHER]
