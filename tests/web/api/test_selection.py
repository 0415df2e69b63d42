"""Changing many mailboxes at once: by addresses, or by the list's filter; all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from web.kit import API, LIST, Site, fill, rows

ADA, BOB, EVE = "ada@one.example", "bob@two.example", "eve@two.example"


@pytest.fixture
def three(site: Site) -> Site:
    """Three mailboxes that differ in domain, kind and state."""
    site.add(ADA, "warmup", daily_target=30, display_name="Ada")
    site.add(BOB, "pool")
    site.add(EVE, "warmup", timezone="Europe/Berlin")
    site.sql("UPDATE gmail_warmup.oauth_grant SET state = 'active' WHERE mailbox_id = 1")
    return site


def paused(site: Site) -> list[str]:
    found = site.sql("SELECT address FROM gmail_warmup.mailbox WHERE paused_at IS NOT NULL ORDER BY address")
    return [row["address"] for row in found]


FILTERS: list[tuple[dict[str, str], list[str]]] = [
    ({}, [ADA, BOB, EVE]),
    ({"domain": "two.example"}, [BOB, EVE]),
    ({"kind": "warmup"}, [ADA, EVE]),
    ({"kind": "warmup", "state": "needs_reauth"}, [EVE]),
    ({"state": "valid"}, [ADA]),
    ({"q": "B@"}, [BOB]),
    ({"q": "nobody"}, []),
]


@pytest.mark.parametrize(("chosen", "expected"), FILTERS, ids=str)
def test_a_filter_pauses_and_resumes_what_the_list_shows_for_it(
    three: Site, op: httpx.Client, chosen: dict[str, str], expected: list[str]
):
    assert rows(op.get(LIST, params=chosen).text) == expected
    answer = op.post(f"{API}/mailboxes/pause", json={"filter": chosen, "reason": "moving"})
    assert answer.json() == {"changed": len(expected)}
    assert paused(three) == expected
    assert op.post(f"{API}/mailboxes/resume", json={"filter": chosen}).json() == {"changed": len(expected)}
    assert paused(three) == []


def test_what_is_so_already_is_not_counted_and_keeps_its_reason(three: Site, op: httpx.Client):
    op.post(f"{API}/mailboxes/pause", json={"addresses": [BOB], "reason": "first"})
    assert op.post(f"{API}/mailboxes/pause", json={"filter": {}, "reason": "second"}).json() == {"changed": 2}
    assert three.mailbox(BOB)["pause_reason"] == "first"
    body = {"filter": {}, "changes": {"open_rate": 70}}
    assert op.post(f"{API}/mailboxes/change", json=body).json() == {"changed": 3}
    assert op.post(f"{API}/mailboxes/change", json=body).json() == {"changed": 0}


def changes_of(verb: str) -> dict[str, Any]:
    return {"changes": {"daily_target": 9}} if verb == "change" else {}


VERBS = ["pause", "resume", "change"]


@pytest.mark.parametrize("verb", VERBS)
def test_more_than_expected_is_a_reason_to_change_nothing(three: Site, op: httpx.Client, verb: str):
    three.sql("UPDATE gmail_warmup.mailbox SET paused_at = now() WHERE address = :ada", ada=ADA)
    before = three.contents()
    body = {"filter": {"domain": "two.example"}, "at_most": 1} | changes_of(verb)
    answer = op.post(f"{API}/mailboxes/{verb}", json=body)
    assert answer.status_code == 409
    assert "matches 2 mailboxes, more than the expected 1" in answer.json()["detail"]
    assert three.contents() == before


def test_a_filter_alone_changes_a_thousand_at_most(site: Site, op: httpx.Client):
    fill(site, 1002)
    assert op.post(f"{API}/mailboxes/pause", json={"filter": {}}).status_code == 409
    assert op.post(f"{API}/mailboxes/pause", json={"filter": {}, "at_most": 1002}).json() == {"changed": 1002 - 92}
    assert len(paused(site)) == 1002


@pytest.mark.parametrize("verb", VERBS)
def test_one_unknown_address_is_a_reason_to_change_nothing(three: Site, op: httpx.Client, verb: str):
    before = three.contents()
    answer = op.post(f"{API}/mailboxes/{verb}", json={"addresses": [ADA, "who@one.example"]} | changes_of(verb))
    assert answer.status_code == 404
    assert "who@one.example" in answer.json()["detail"]
    assert three.contents() == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"addresses": [ADA], "filter": {}},
        {"addresses": []},
        {"addresses": [ADA] * 1001},
        {"filter": {"colour": "red"}},
        {"filter": {"state": "nonsense"}},
        {"filter": {}, "at_most": 0},
    ],
    ids=str,
)
def test_a_selection_that_is_not_clear_changes_nothing(three: Site, op: httpx.Client, verb: str, body: dict[str, Any]):
    before = three.contents()
    answer = op.post(f"{API}/mailboxes/{verb}", json=body | changes_of(verb))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert three.contents() == before


def test_a_filter_with_what_the_database_cannot_hold_matches_nothing(three: Site, op: httpx.Client):
    for name in ("q", "domain"):
        answer = op.post(f"{API}/mailboxes/pause", json={"filter": {name: "\x00"}})
        assert answer.json() == {"changed": 0}, answer.text


def settings_of(site: Site, address: str) -> dict[str, Any]:
    names = ("kind", "daily_target", "open_rate", "reply_rate", "timezone", "display_name", "signature", "language",
             "owner_email")  # fmt: skip
    return {name: site.mailbox(address)[name] for name in names}


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"kind": "pool"}, {"kind": "pool"}),
    ({"daily_target": 7}, {"daily_target": 7}),
    ({"daily_target": "7"}, {"daily_target": 7}),
    ({"open_rate": 0, "reply_rate": 100}, {"open_rate": 0, "reply_rate": 100}),
    ({"timezone": " Asia/Tokyo "}, {"timezone": "Asia/Tokyo"}),
    ({"display_name": "New Name"}, {"display_name": "New Name"}),
    ({"display_name": ""}, {"display_name": None}),
    ({"language": "DE_at"}, {"language": "de-at"}),
    ({"display_name": None, "kind": None}, {"display_name": None}),
    ({"daily_target": None, "open_rate": 5}, {"open_rate": 5}),
    ({"signature": "Ada\r\nexample.com "}, {"signature": "Ada\nexample.com"}),
    ({"signature": " "}, {"signature": None}),
    ({"owner_email": " Olivia@Example.com"}, {"owner_email": "olivia@example.com"}),
    ({"owner_email": ""}, {"owner_email": None}),
]


@pytest.mark.parametrize(("changes", "expected"), CHANGES, ids=str)
def test_only_what_is_named_changes(three: Site, op: httpx.Client, changes: dict[str, Any], expected: dict[str, Any]):
    three.sql("UPDATE gmail_warmup.mailbox SET paused_at = now(), warmup_days = 12, next_send_at = now()")
    three.sql(
        "UPDATE gmail_warmup.mailbox SET signature = 'Yours, Ada', owner_email = 'peter@example.com' "
        "WHERE address = :ada",
        ada=ADA,
    )
    before, contents = settings_of(three, ADA), three.contents()
    answer = op.post(f"{API}/mailboxes/change", json={"addresses": [ADA.upper()], "changes": changes})
    assert answer.json() == {"changed": 1}
    assert settings_of(three, ADA) == before | expected
    assert three.mailbox(ADA)["next_send_at"] is None, "other settings make another plan"
    after, expected = three.contents(), expected | {"next_send_at": None}
    assert len(after.pop("change_log")) == len(contents.pop("change_log")) + 1
    for row, former in zip(after.pop("mailbox"), contents.pop("mailbox"), strict=True):
        kept = former if row["address"] != ADA else former | expected
        assert row == kept
    assert after == contents


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"daily_target": 0}, "daily_target", "must be a whole number from 1 to 2000"),
    ({"daily_target": ""}, "daily_target", "must be a whole number from 1 to 2000"),
    ({"open_rate": 101}, "open_rate", "must be a whole number from 0 to 100"),
    ({"reply_rate": "many"}, "reply_rate", "must be a whole number from 0 to 100"),
    ({"timezone": "Mars/Base"}, "timezone", "is not an IANA time zone"),
    ({"timezone": ""}, "timezone", "is not an IANA time zone"),
    ({"display_name": "<b>"}, "display_name", "must not contain control characters"),
    ({"display_name": "x" * 101}, "display_name", "at most 100 characters"),
    ({"signature": "x" * 501}, "signature", "at most 500 characters"),
    ({"signature": "x\x00"}, "signature", "must not contain control characters"),
    ({"owner_email": "Olivia"}, "owner_email", "'Olivia' is not a mail address. Write it as name@domain"),
    ({"tags": ["x" * 200]}, "tags", "has 200 characters, and a tag has at most 50. Shorten it."),
    ({"add_tags": "a,\u200b"}, "add_tags", "Remove the character U+200B"),
    ({"kind": "spam"}, "kind", "must be warmup or pool"),
    ({"auth": "delegated"}, "auth", "is not known"),
    ({}, "", "at least one setting"),
    ({"kind": None}, "", "at least one setting"),
]


@pytest.mark.parametrize(("changes", "field", "rule"), WRONG, ids=str)
def test_a_wrong_change_names_the_field_and_the_rule(
    three: Site, op: httpx.Client, changes: dict[str, Any], field: str, rule: str
):
    before = three.contents()
    answer = op.post(f"{API}/mailboxes/change", json={"filter": {}, "changes": changes})
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert problem["field"] == field
    assert rule in problem["message"]
    assert three.contents() == before


def test_two_at_once_wait_for_each_other(site: Site, op: httpx.Client):
    """Without one order of locking, two changes of the same mailboxes end in a deadlock."""
    fill(site, 400)
    addresses = [row["address"] for row in site.sql("SELECT address FROM gmail_warmup.mailbox ORDER BY address")]

    def bodies() -> Iterator[dict[str, Any]]:
        for number in range(12):
            ordered = addresses if number % 2 else addresses[::-1]
            chosen = {"addresses": ordered} if number % 3 else {"filter": {"q": "box"}}
            yield chosen | {"changes": {"open_rate": number, "display_name": f"Name {number}"}}

    def change(body: dict[str, Any]) -> int:
        return op.post(f"{API}/mailboxes/change", json=body).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(change, bodies())) == {200}
    names = site.sql("SELECT DISTINCT open_rate, display_name FROM gmail_warmup.mailbox")
    assert len(names) == 1
