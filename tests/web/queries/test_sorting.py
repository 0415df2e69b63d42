"""The orders of the list: each is by what is shown, and paged without a gap, in both directions."""

from __future__ import annotations

import base64
import html
import json
import re
from itertools import chain
from typing import Any

import httpx
import pytest

from web.kit import API, LIST, Site, fill, rows


def walk(op: httpx.Client, path: str, rel: str) -> list[list[str]]:
    """Follow the page's links; return the addresses of each page."""
    pages = []
    while path:
        text = op.get(path).text
        pages.append(rows(text))
        link = re.search(rf'rel="{rel}" href="\./mailboxes\?([^"]+)"', text)
        path = f"{LIST}?{html.unescape(link[1])}" if link else ""
    return pages


def last_page(op: httpx.Client, path: str) -> str:
    """Follow the links forwards; return the path of the last page."""
    while link := re.search(r'rel="next" href="\./mailboxes\?([^"]+)"', op.get(path).text):
        path = f"{LIST}?{html.unescape(link[1])}"
    return path


SORTS = [
    sign + name
    for name in ("address", "attention", "since", "day", "refreshed", "expires", "owner")
    for sign in ("", "-")
]


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_shows_each_mailbox_once_forwards_and_backwards(site: Site, op: httpx.Client, sort: str):
    fill(site, 90)  # plus and ampersand in an address would break a link that is not encoded
    listed = op.get(f"{API}/mailboxes", params={"sort": sort, "limit": 1000}).json()["mailboxes"]
    every = [box["address"] for box in listed]
    assert len(set(every)) == 90
    first = f"{LIST}?size=25&sort={sort}&q=example"
    forwards = walk(op, first, "next")
    assert [len(page) for page in forwards] == [25, 25, 25, 15]
    assert list(chain(*forwards)) == every
    backwards = walk(op, last_page(op, first), "prev")
    assert list(chain(*reversed(backwards))) == every


def key_of(box: dict[str, Any], sort: str) -> Any:
    """Return what a mailbox is sorted by, as it is shown; None if it is not known."""
    urgency = {"needs_reauth": 0, "disabled": 1, "suspect": 2, "active": 3 if box["expires_soon"] else 4}
    return {
        "address": box["address"],
        "attention": urgency[box["state"]],
        "since": box["since"],
        "day": box["ramp"] and box["ramp"]["day"],
        "refreshed": box["refreshed_at"],
        "expires": box["expires_at"],
        "owner": box["owner_email"],
    }[sort]


@pytest.mark.parametrize("sort", SORTS)
def test_the_list_is_sorted_by_what_it_shows_and_what_is_not_known_stands_last(site: Site, op: httpx.Client, sort: str):
    fill(site, 90)
    listed = op.get(f"{API}/mailboxes", params={"sort": sort, "limit": 1000}).json()["mailboxes"]
    keys = [key_of(box, sort.removeprefix("-")) for box in listed]
    known = [key for key in keys if key is not None]
    assert len(set(known)) > 3
    assert known == sorted(known, reverse=sort.startswith("-"))
    assert keys == known + [None] * (len(keys) - len(known))


def test_a_page_goes_on_where_the_last_one_ended_though_that_mailbox_is_gone(site: Site, op: httpx.Client):
    for letter in "bdfhj":
        site.add(f"{letter}@example.com")
    first = op.get(f"{API}/mailboxes", params={"limit": 2}).json()
    site.sql("DELETE FROM gmail_warmup.mailbox WHERE address = 'd@example.com'")
    site.add("a@example.com")
    site.add("e@example.com")
    after = op.get(f"{API}/mailboxes", params={"limit": 2, "after": first["next_after"]}).json()
    assert [box["address"] for box in after["mailboxes"]] == ["e@example.com", "f@example.com"]
    before = op.get(f"{API}/mailboxes", params={"limit": 9, "before": after["previous_before"]}).json()
    assert [box["address"] for box in before["mailboxes"]] == ["a@example.com", "b@example.com"]
    assert before["previous_before"] is None


def cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


FOREIGN = [
    "x",
    "%00",
    "AAAA",
    cursor("since", 0, "2026-11-24T00:00:00+00:00", 1),
    cursor("address", 0, None, 1),
    cursor("address", 1, None, "a"),
    cursor("address", -1, None, "a"),
    cursor("address", True, None, "a"),
    cursor("address", 0, "2026-11-24T00:00:00+00:00", "a"),
    cursor("address", 0, None),
    cursor(["address"], 0, None, "a"),
]


@pytest.mark.parametrize("place", FOREIGN)
def test_a_place_that_no_page_returned_is_refused_by_the_api_and_left_out_on_the_page(
    site: Site, op: httpx.Client, place: str
):
    site.add("a@example.com")
    answer = op.get(f"{API}/mailboxes", params={"after": place})
    assert answer.status_code == 422
    assert "not a position in the list" in answer.json()["detail"]
    assert rows(op.get(LIST, params={"after": place}).text) == ["a@example.com"]


def test_a_place_with_what_the_database_cannot_hold_is_a_place_all_the_same(site: Site, op: httpx.Client):
    for last in ("\x00", "\ud800", "%"):
        assert op.get(f"{API}/mailboxes", params={"after": cursor("address", 0, None, last)}).status_code == 200
    for sort, key, last in (("day", 10**30, 10**30), ("since", "0001-01-01", -1)):
        answer = op.get(f"{API}/mailboxes", params={"sort": sort, "after": cursor(sort, 0, key, last)})
        assert answer.status_code == 200


def test_a_page_that_has_become_empty_leads_to_the_first_one(site: Site, op: httpx.Client):
    site.add("a@example.com")
    page = op.get(LIST, params={"after": cursor("address", 0, None, "z")}).text
    assert "This page is empty" in page


def test_the_head_says_what_it_is_sorted_by_and_leads_to_the_other_way_round(site: Site, op: httpx.Client):
    site.add("a@example.com")
    page = op.get(f"{LIST}?sort=since&kind=pool&columns=since").text
    heads = re.findall(
        r'columnheader" scope="col" class="since" aria-sort="(\w+)">\s*<a class="sort" href="([^"]+)">(\w+)', page
    )
    assert heads == [("ascending", "./mailboxes?kind=pool&amp;sort=-since&amp;columns=since", "Since")]
    assert 'aria-sort="descending"' in op.get(f"{LIST}?sort=-since&columns=since").text
